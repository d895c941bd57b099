"""Sending what is stored, over real HTTP to the Stripe sandbox."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction

from bencher import clock
from billing import claims, gateway, outbox, posting
from billing.models import BillingCustomer, MeterEvent, Plan
from tests.billing.conftest import make_subscriber, report
from tests.stripe_sandbox import Sandbox

pytestmark = pytest.mark.django_db


def post(plan: Plan) -> MeterEvent:
    with transaction.atomic():
        (stored,) = posting.store(
            [plan.pk], reason=MeterEvent.Reason.MANUAL, even_if_unchanged=True
        )
    return MeterEvent.objects.get(pk=stored.event_id)


def at_stripe(plan: Plan) -> None:
    """Give the plan's organization a customer that the sandbox knows."""
    organization = plan.organization
    customer = gateway.connect().customer(
        name=organization.name, email="x@example.com", organization_uuid=str(organization.uuid)
    )
    BillingCustomer.objects.filter(organization=organization).update(stripe_customer_id=customer)


def send() -> outbox.Sent:
    return outbox.send(gateway.connect(), per_second=1000)


def meter_calls(sandbox: Sandbox) -> list[Any]:
    return [call for call in sandbox.requests if call.path == "/v1/billing/meter_events"]


class TestSend:
    def test_sends_each_event_exactly_as_stored(self, shop: Sandbox) -> None:
        plan, project = make_subscriber("acme")
        at_stripe(plan)
        report(project, 5)
        event = post(plan)

        assert send() == outbox.Sent(delivered=1)

        event.refresh_from_db()
        (call,) = meter_calls(shop)
        assert call.params["identifier"] == event.identifier
        assert int(call.params["timestamp"]) == event.timestamp.timestamp()
        assert call.params["payload"] == {
            "stripe_customer_id": BillingCustomer.objects.get().stripe_customer_id,
            "value": "5",
        }
        assert event.sent_at is not None
        assert event.answer is not None
        assert event.answer["status"] == 200
        assert send() == outbox.Sent()

    def test_a_repeated_identifier_was_delivered_before(self, shop: Sandbox) -> None:
        plan, _ = make_subscriber("acme")
        at_stripe(plan)
        event = post(plan)
        send()
        # As after a crash between Stripe's answer and our storing it.
        MeterEvent.objects.update(sent_at=None)

        assert send() == outbox.Sent(delivered=1)

        event.refresh_from_db()
        assert event.answer is not None
        assert event.answer["status"] == 400
        assert "already exists" in event.answer["message"]
        assert event.sent_at is not None
        assert event.rejected_at is None

    def test_what_stripe_refuses_ends_where_people_see_it(self, shop: Sandbox) -> None:
        plan, _ = make_subscriber("acme")
        at_stripe(plan)
        event = post(plan)
        (meter,) = (one for one in gateway.connect().meters() if one.event_name == event.meter)
        shop.state.tables["billing.meter"][meter.id]["status"] = "inactive"

        assert send() == outbox.Sent(rejected=1)

        event.refresh_from_db()
        assert (event.state, event.expired_at) == ("rejected", None)
        assert event.answer is not None
        assert "archived" in event.answer["message"]
        assert send() == outbox.Sent()

    def test_an_unreachable_stripe_is_tried_again_later(
        self, shop: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        plan, _ = make_subscriber("acme")
        at_stripe(plan)
        event = post(plan)
        nowhere = gateway.Gateway(key="sk_test_" + "x" * 24, base="http://127.0.0.1:9")

        assert outbox.send(nowhere, per_second=1000) == outbox.Sent(retried=1)
        event.refresh_from_db()
        assert (event.attempts, event.sent_at, event.claimed_at) == (1, None, None)
        assert event.next_attempt_at is not None
        assert send() == outbox.Sent(), "it waits for its next attempt"

        MeterEvent.objects.update(next_attempt_at=None)
        assert send() == outbox.Sent(delivered=1)

    def test_a_claim_of_a_dead_sender_is_sent_again(self, shop: Sandbox) -> None:
        plan, _ = make_subscriber("acme")
        at_stripe(plan)
        post(plan)
        MeterEvent.objects.update(claimed_at=clock.now())

        assert send() == outbox.Sent(delivered=1)

    def test_only_the_holder_of_the_lease_sends(self, shop: Sandbox) -> None:
        plan, _ = make_subscriber("acme")
        at_stripe(plan)
        post(plan)
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO billing_senderlease (id, holder, expires_at)"
                " VALUES (1, gen_random_uuid(), clock_timestamp() + interval '1 minute')"
            )

        assert send() == outbox.Sent()
        with connection.cursor() as cursor:
            cursor.execute("UPDATE billing_senderlease SET expires_at = clock_timestamp()")
        assert send() == outbox.Sent(delivered=1)

    def test_a_closing_event_goes_before_the_others(self, shop: Sandbox) -> None:
        plans = [make_subscriber(name)[0] for name in ("one", "two", "three")]
        for plan in plans:
            at_stripe(plan)
            post(plan)
        MeterEvent.objects.filter(organization=plans[2].organization).update(reason="close")

        first = claims.claim(batch=10)[0]

        assert first.stripe_customer_id == (
            BillingCustomer.objects.get(organization=plans[2].organization).stripe_customer_id
        )

    def test_one_customer_has_one_call_in_flight(self, shop: Sandbox) -> None:
        plan, project = make_subscriber("acme")
        at_stripe(plan)
        for benchmarks in (1, 2, 3):
            report(project, benchmarks)
            post(plan)
        MeterEvent.objects.update(superseded_at=None)

        assert send() == outbox.Sent(delivered=3)
        values = [call.params["payload"]["value"] for call in meter_calls(shop)]
        assert values == ["1", "2", "3"]
        assert {call.status for call in meter_calls(shop)} == {200}


class TestOutcome:
    @pytest.fixture
    def answered(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[Exception], str]:
        def answer(error: Exception) -> str:
            def refuse(*_: object, **__: object) -> None:
                raise error

            stripe = gateway.Gateway(key="sk_test_" + "x" * 24, base="http://127.0.0.1:9")
            monkeypatch.setattr(stripe, "post_meter_event", refuse)
            plan, _ = make_subscriber("acme")
            post(plan)
            (claimed,) = claims.claim(batch=10)
            return outbox._post(stripe, claimed)[0]

        return answer

    @pytest.mark.parametrize(
        ("error", "outcome"),
        [
            (gateway.TemporaryError("slow", {"status": 429}), "put_off"),
            (gateway.TemporaryError("fault", {"status": 500}), "unanswered"),
            (gateway.TemporaryError("no answer", {"status": None}), "unanswered"),
            (gateway.KeyRefusedError("key", {"status": 401}), "key_refused"),
            (gateway.RefusedError("bad", {"status": 400, "message": "no such meter"}), "rejected"),
            (
                gateway.RefusedError(
                    "again",
                    {"status": 400, "message": "An event already exists with identifier x."},
                ),
                "delivered",
            ),
        ],
    )
    def test_follows_from_the_answer(
        self, answered: Callable[[Exception], str], error: Exception, outcome: str
    ) -> None:
        assert answered(error) == outcome
