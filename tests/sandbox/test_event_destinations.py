"""Thin events: reports of meter events that turned out wrong after they were accepted."""

from typing import Any

import pytest
import stripe

from tests.sandbox.receiving import receiver
from tests.sandbox.shop import DAY, JAN, make_customer, make_meter, use
from tests.stripe_sandbox import Sandbox

ERRORS = ["v1.billing.meter.error_report_triggered", "v1.billing.meter.no_meter_found"]


def make_destination(client: stripe.StripeClient, url: str, **more: Any) -> Any:
    """Create a destination for the errors of meters, with its secret."""
    params: Any = {
        "name": "Meter errors",
        "type": "webhook_endpoint",
        "event_payload": "thin",
        "enabled_events": ERRORS,
        "webhook_endpoint": {"url": url},
        "include": ["webhook_endpoint.signing_secret", "webhook_endpoint.url"],
        **more,
    }
    return client.v2.core.event_destinations.create(params)


def send_to_nobody(client: stripe.StripeClient, identifier: str) -> None:
    client.v1.billing.meter_events.create(
        {
            "event_name": "active_series",
            "identifier": identifier,
            "payload": {"stripe_customer_id": "cus_unknown", "value": "5"},
        }
    )


class TestDestination:
    def test_is_created_listed_changed_and_deleted(self, client: stripe.StripeClient) -> None:
        made = make_destination(client, "http://127.0.0.1:9/thin", metadata={"for": "errors"})
        destinations = client.v2.core.event_destinations
        listed: Any = destinations.list({"include": ["webhook_endpoint.url"]}).data
        changed: Any = destinations.update(made.id, {"name": "Errors", "metadata": {"for": "all"}})
        off = destinations.disable(made.id)
        on = destinations.enable(made.id)

        assert made.webhook_endpoint.url == "http://127.0.0.1:9/thin"
        assert made.webhook_endpoint.signing_secret.startswith("whsec_")
        assert [d.id for d in listed] == [made.id]
        assert listed[0].webhook_endpoint.signing_secret is None
        assert (changed.name, changed.metadata.to_dict()) == ("Errors", {"for": "all"})
        assert (off.status, on.status) == ("disabled", "enabled")
        destinations.delete(made.id)
        assert destinations.list({}).data == []

    def test_refuses_snapshots_and_unknown_parameters(self, client: stripe.StripeClient) -> None:
        with pytest.raises(stripe.InvalidRequestError, match="does not implement"):
            make_destination(client, "http://127.0.0.1:9/", event_payload="snapshot")
        with pytest.raises(stripe.InvalidRequestError, match="unknown parameter"):
            make_destination(client, "http://127.0.0.1:9/", color="red")

    def test_can_be_pinged(self, sandbox: Sandbox, client: stripe.StripeClient) -> None:
        with receiver(lambda _: 200) as (url, received):
            made = make_destination(client, url)
            make_destination(client, url)
            client.v2.core.event_destinations.ping(made.id)
            assert sandbox.courier.drain(5)

        (body, signature), *more = received
        found = client.parse_event_notification(
            body, signature, made.webhook_endpoint.signing_secret
        )
        assert (found.type, more) == ("v2.core.event_destination.ping", [])


class TestErrorReport:
    def test_is_sent_thin_and_fetched_whole(
        self, sandbox: Sandbox, client: stripe.StripeClient
    ) -> None:
        meter = make_meter(client)
        with receiver(lambda _: 200) as (url, received):
            made = make_destination(client, url)
            send_to_nobody(client, "one")
            sandbox.advance(JAN + 30)
            for number in range(7):
                send_to_nobody(client, f"more {number}")
            assert sandbox.next_at() == JAN + 60
            sandbox.advance(JAN + 60)

        ((body, signature),) = received
        notification: Any = client.parse_event_notification(
            body, signature, made.webhook_endpoint.signing_secret
        )
        assert b'"data"' not in body
        assert notification.type == ERRORS[0]
        assert notification.related_object.id == meter.id
        assert notification.fetch_related_object().event_name == "active_series"
        data = notification.fetch_event().data
        assert data.reason.error_count == 8
        (errors,) = data.reason.error_types
        assert (errors.code, errors.error_count) == ("meter_event_customer_not_found", 8)
        samples = [sample["request"].identifier for sample in errors.sample_errors]
        assert samples == ["one", *(f"more {number}" for number in range(4))]
        assert "No such customer: 'cus_unknown'" in errors.sample_errors[0].error_message
        with pytest.raises(stripe.SignatureVerificationError):
            client.parse_event_notification(body, signature, "whsec_other")

    def test_comes_for_what_is_checked_late(
        self, sandbox: Sandbox, client: stripe.StripeClient
    ) -> None:
        sandbox.switches.late_checks = frozenset(
            {"no_meter", "archived_meter", "timestamp_too_far_in_past", "timestamp_in_future"}
        )
        customer = make_customer(client)
        meter, archived = make_meter(client), make_meter(client, "metrics", "sum")
        client.v1.billing.meters.deactivate(archived.id)
        use(client, customer, 1, JAN - 36 * DAY)
        use(client, customer, 1, JAN + DAY)
        use(client, customer, 1, JAN, "metrics")
        use(client, customer, 1, JAN, "nothing")
        sandbox.advance(JAN + 60)

        reports = [
            (event["type"], (event["related_object"] or {}).get("id"), codes(event))
            for event in sandbox.objects("v2.core.event")
        ]
        assert reports == [
            (ERRORS[0], meter.id, ["timestamp_too_far_in_past", "timestamp_in_future"]),
            (ERRORS[0], archived.id, ["archived_meter"]),
            (ERRORS[1], None, ["no_meter"]),
        ]
        events = client.v2.core.events.list({"object_id": meter.id}).data
        assert [event.type for event in events] == [ERRORS[0]]

    def test_does_not_come_for_what_is_refused_at_once(
        self, sandbox: Sandbox, client: stripe.StripeClient
    ) -> None:
        with pytest.raises(stripe.InvalidRequestError):
            send_to_nobody(client, "one")
        sandbox.advance(JAN + DAY)

        assert sandbox.objects("v2.core.event") == []


def codes(event: dict[str, Any]) -> list[str]:
    return [found["code"] for found in event["data"]["reason"]["error_types"]]
