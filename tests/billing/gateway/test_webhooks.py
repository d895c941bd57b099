"""Where Stripe sends events, and reading the thin ones."""

import hashlib
import hmac
import json
import time
from typing import Any

import pytest

from billing import gateway
from tests.billing.gateway.scripted import Script

SECRET = "whsec_" + "s" * 32
KIND = "v1.billing.meter.error_report_triggered"
THIN = {
    "id": "evt_1",
    "object": "v2.core.event",
    "type": KIND,
    "livemode": False,
    "created": "2026-01-15T09:30:00.000Z",
    "related_object": {"id": "mtr_1", "type": "billing.meter", "url": "/v1/billing/meters/mtr_1"},
}
REPORT = {
    "developer_message_summary": "There is 1 invalid event",
    "validation_start": "2026-01-15T09:00:00.000Z",
    "validation_end": "2026-01-15T09:10:00.000Z",
    "reason": {
        "error_count": 1,
        "error_types": [
            {
                "code": "timestamp_too_far_in_past",
                "error_count": 1,
                "sample_errors": [
                    {"error_message": "Too old", "request": {"identifier": "acme-1"}}
                ],
            }
        ],
    },
}
DESTINATION = {
    "id": "ed_1",
    "object": "v2.core.event_destination",
    "name": "Bencher",
    "description": "",
    "type": "webhook_endpoint",
    "event_payload": "thin",
    "enabled_events": [KIND],
    "status": "enabled",
    "livemode": False,
    "metadata": {"bencher": "thin"},
    "created": "2026-01-15T09:30:00.000Z",
    "updated": "2026-01-15T09:30:00.000Z",
    "webhook_endpoint": {"url": "https://bencher.example/stripe/meter-errors/"},
}


def signed(body: bytes, *, ago: float = 0, secret: str = SECRET) -> str:
    at = int(time.time() - ago)
    mac = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={mac}"


class TestEndpoints:
    def test_an_endpoint_is_made_changed_and_deleted(self, stripe: gateway.Gateway) -> None:
        made = stripe.create_webhook_endpoint(
            url="https://bencher.example/stripe/webhook/1/",
            enabled_events=["invoice.paid"],
            api_version="2026-08-26.dahlia",
            marks={"bencher": "snapshot"},
            idempotency_key="w",
        )
        assert made.secret.startswith("whsec_")
        assert made.api_version == "2026-08-26.dahlia"

        stripe.update_webhook_endpoint(made.id, enabled_events=["invoice.created"])

        (found,) = stripe.webhook_endpoints()
        assert (found.secret, found.enabled) == ("", True)
        assert found.enabled_events == {"invoice.created"}

        stripe.delete_webhook_endpoint(made.id)

        assert stripe.webhook_endpoints() == []


class TestDestinations:
    def test_one_is_made_for_thin_events(self, script: Script) -> None:
        secret = {**DESTINATION["webhook_endpoint"], "signing_secret": SECRET}  # type: ignore[dict-item]

        made = script.say({**DESTINATION, "webhook_endpoint": secret}).create_event_destination(
            name="Bencher",
            url="https://bencher.example/stripe/meter-errors/",
            enabled_events=[KIND],
            marks={"bencher": "thin"},
            idempotency_key="d",
        )

        (asked,) = script.asked
        assert (asked.method, asked.path) == ("POST", "/v2/core/event_destinations")
        assert json.loads(asked.body)["event_payload"] == "thin"
        assert "webhook_endpoint.signing_secret" in json.loads(asked.body)["include"]
        assert (made.id, made.secret, made.thin) == ("ed_1", SECRET, True)

    def test_the_sandbox_keeps_them_as_stripe_does(self, stripe: gateway.Gateway) -> None:
        made = stripe.create_event_destination(
            name="Bencher",
            url="https://bencher.example/stripe/meter-errors/",
            enabled_events=[KIND],
            marks={"bencher": "thin"},
            idempotency_key="d",
        )
        stripe.update_event_destination(made.id, enabled_events=["v1.billing.meter.no_meter_found"])

        (found,) = stripe.event_destinations()

        assert made.secret.startswith("whsec_")
        assert (found.id, found.url, found.secret) == (made.id, made.url, "")
        assert found.enabled_events == {"v1.billing.meter.no_meter_found"}

    def test_they_are_listed_over_every_page(self, script: Script) -> None:
        stripe = script.say(
            {"data": [DESTINATION], "next_page_url": "/v2/core/event_destinations?page=2"},
            {
                "data": [
                    {**DESTINATION, "id": "ed_2"},
                    # One that is no address on the web.
                    {**DESTINATION, "id": "ed_3", "webhook_endpoint": None},
                ],
                "next_page_url": None,
            },
        )

        assert [found.id for found in stripe.event_destinations()] == ["ed_1", "ed_2"]

    def test_a_disabled_one_is_enabled(self, script: Script) -> None:
        stripe = script.say({**DESTINATION, "status": "disabled"}, DESTINATION)

        stripe.update_event_destination("ed_1", enabled_events=[KIND])

        assert [asked.path for asked in script.asked] == [
            "/v2/core/event_destinations/ed_1",
            "/v2/core/event_destinations/ed_1/enable",
        ]


class TestThinEvents:
    def test_a_signed_one_is_read(self, stripe: gateway.Gateway) -> None:
        body = json.dumps(THIN).encode()

        event = stripe.parse_thin_event(body, signature=signed(body), secret=SECRET)

        assert (event.id, event.type, event.object_id) == ("evt_1", KIND, "mtr_1")

    def test_one_of_a_kind_unknown_is_read_too(self, stripe: gateway.Gateway) -> None:
        body = json.dumps({**THIN, "type": "v9.new", "related_object": None}).encode()

        event = stripe.parse_thin_event(body, signature=signed(body), secret=SECRET)

        assert (event.type, event.object_id) == ("v9.new", "")

    @pytest.mark.parametrize(
        ("body", "signature"),
        [
            (THIN, {"secret": "whsec_other"}),
            (THIN, {"ago": 301}),
            ({**THIN, "id": "evt_2"}, None),
        ],
    )
    def test_a_forged_or_old_one_is_not(
        self, stripe: gateway.Gateway, body: Any, signature: dict[str, Any] | None
    ) -> None:
        sent = json.dumps(body).encode()
        header = signed(b"another" if signature is None else sent, **(signature or {}))

        with pytest.raises(gateway.ForgedError):
            stripe.parse_thin_event(sent, signature=header, secret=SECRET)

    @pytest.mark.parametrize("header", ["", "nonsense", "t=x,v1=y"])
    def test_one_without_a_signature_is_not(self, stripe: gateway.Gateway, header: str) -> None:
        with pytest.raises(gateway.ForgedError):
            stripe.parse_thin_event(json.dumps(THIN).encode(), signature=header, secret=SECRET)

    def test_a_signed_snapshot_event_is_not_a_thin_one(self, stripe: gateway.Gateway) -> None:
        body = json.dumps({"id": "evt_1", "object": "event", "type": "invoice.paid"}).encode()

        with pytest.raises(gateway.ForgedError):
            stripe.parse_thin_event(body, signature=signed(body), secret=SECRET)

    def test_its_details_are_fetched(self, script: Script) -> None:
        report = script.say({**THIN, "data": REPORT}).meter_error_report("evt_1")

        (kind,) = report.errors
        assert script.asked[0].path == "/v2/core/events/evt_1"
        assert (report.meter_id, report.count) == ("mtr_1", 1)
        assert (kind.code, kind.count) == ("timestamp_too_far_in_past", 1)
        assert kind.samples == (gateway.SampleError(message="Too old", identifier="acme-1"),)

    def test_a_meter_that_is_missing_has_no_id(self, script: Script) -> None:
        event = {**THIN, "type": "v1.billing.meter.no_meter_found", "data": REPORT}
        del event["related_object"]

        assert script.say(event).meter_error_report("evt_1").meter_id == ""

    def test_an_event_about_something_else_is_refused(self, script: Script) -> None:
        event = {**THIN, "type": "v2.core.account.closed", "data": {}}

        with pytest.raises(gateway.RefusedError, match="not about a meter"):
            script.say(event).meter_error_report("evt_1")
