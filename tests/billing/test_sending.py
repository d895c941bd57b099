"""Sending when things go wrong: order, crashes, lost claims, refused keys, old age, many events."""

import logging
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from bencher import clock
from billing import claims, gateway, outbox, pruning
from billing.models import MeterEvent, Plan, SenderLease
from tests.billing.conftest import make_subscriber, report
from tests.billing.test_outbox import at_stripe, meter_calls, post, send
from tests.stripe_sandbox import Sandbox
from tests.stripe_sandbox.faults import METER_EVENTS, Fault

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)


@pytest.fixture
def plan(shop: Sandbox) -> Plan:
    """Return a plan whose customer Stripe knows."""
    plan, _ = make_subscriber("acme")
    at_stripe(plan)
    return plan


@pytest.fixture
def three(plan: Plan) -> list[MeterEvent]:
    """Return three values of one customer, all still to be sent."""
    for _ in range(3):
        post(plan)
    MeterEvent.objects.update(superseded_at=None)
    return list(MeterEvent.objects.order_by("timestamp"))


def dying(after: str) -> gateway.Gateway:
    """Return Stripe as a sender sees it that dies before its call, or before it stores."""

    class Dying(gateway.Gateway):
        def post_meter_event(self, **event: Any) -> gateway.Answer:
            if after == "call":
                super().post_meter_event(**event)
            raise SystemExit

    real = gateway.connect()
    return _like(real, Dying)


def _like(real: gateway.Gateway, kind: type[gateway.Gateway]) -> gateway.Gateway:
    copy = kind.__new__(kind)
    copy.__dict__.update(real.__dict__)
    return copy


def held(shop: Sandbox) -> list[int]:
    return [event.value for events in shop.state.usage.values() for event in events]


def key_of(shop: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Return a switch between a key that Stripe takes and one that it refuses."""
    real = gateway.Gateway.post_meter_event

    def refuse(*_: object, **__: object) -> None:
        raise gateway.KeyRefusedError("Invalid API Key", {"status": 401, "message": "Invalid key"})

    def turn(is_good: bool) -> None:
        monkeypatch.setattr(gateway.Gateway, "post_meter_event", real if is_good else refuse)

    return turn


class TestOrder:
    def test_a_failure_stops_the_later_values_of_its_customer(
        self, shop: Sandbox, three: list[MeterEvent]
    ) -> None:
        shop.faults.next(METER_EVENTS, Fault.TIMEOUT_BEFORE)

        assert send() == outbox.Sent(retried=1)

        first, second, third = MeterEvent.objects.order_by("timestamp")
        assert (first.attempts, second.attempts, third.attempts) == (1, 0, 0)
        assert first.unanswered_since is not None
        assert second.unanswered_since is third.unanswered_since is None
        assert len(meter_calls(shop)) == 1
        assert send() == outbox.Sent(), "the later ones wait for it"

    def test_the_limit_holds_over_all_batches(
        self, monkeypatch: pytest.MonkeyPatch, three: list[MeterEvent]
    ) -> None:
        monkeypatch.setattr(claims, "BATCH", 1)
        began = time.monotonic()

        assert outbox.send(gateway.connect(), per_second=20) == outbox.Sent(delivered=3)

        assert time.monotonic() - began >= 2 / 20

    def test_a_call_that_would_outlast_the_lease_is_not_begun(
        self, monkeypatch: pytest.MonkeyPatch, shop: Sandbox, three: list[MeterEvent]
    ) -> None:
        monkeypatch.setattr("billing.lease.SECONDS", 59)
        monkeypatch.setattr(claims, "claim", _once(claims.claim))

        assert send() == outbox.Sent()

        assert meter_calls(shop) == []
        assert set(MeterEvent.objects.values_list("attempts", "claimed_at")) == {(0, None)}


def _once(claim: Callable[..., list[claims.Claimed]]) -> Callable[..., list[claims.Claimed]]:
    rounds: Iterator[bool] = iter([True])
    return lambda **wanted: claim(**wanted) if next(rounds, False) else []


class TestCrash:
    @pytest.mark.parametrize("after", ["claim", "call"])
    def test_is_survived_without_a_loss_or_a_double(
        self, shop: Sandbox, plan: Plan, after: str
    ) -> None:
        event = post(plan)

        with pytest.raises(SystemExit):
            outbox.send(dying(after), per_second=1000)

        event.refresh_from_db()
        assert event.sent_at is None
        assert event.unanswered_since is not None, "the attempt may have been applied"
        assert send() == outbox.Sent(delivered=1)
        assert held(shop) == [event.value]

    def test_what_is_learned_of_a_lost_claim_is_not_stored(self, plan: Plan) -> None:
        event = post(plan)
        (old,) = claims.claim(batch=1)
        (new,) = claims.claim(batch=1)

        refused = claims.Attempt(old, claims.Outcome.REJECTED, {"status": 400})
        assert claims.store([refused]) == set()
        event.refresh_from_db()
        assert (event.state, event.answer) == ("waiting", None)

        delivered = claims.Attempt(new, claims.Outcome.DELIVERED, {"status": 200})
        assert claims.store([delivered]) == {event.pk}
        event.refresh_from_db()
        assert event.state == "sent"


class TestRefusedKey:
    def test_pauses_sending_and_rejects_nothing(
        self,
        shop: Sandbox,
        three: list[MeterEvent],
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        turn = key_of(shop, monkeypatch)
        turn(False)
        with caplog.at_level(logging.CRITICAL, logger="billing.outbox"):
            assert send() == outbox.Sent()

        assert {event.state for event in MeterEvent.objects.all()} == {"waiting"}
        assert set(MeterEvent.objects.values_list("unanswered_since", flat=True)) == {None}
        assert [record.message for record in caplog.records] == [
            "sending pauses: Stripe refuses our key"
        ]
        lease = SenderLease.objects.get()
        assert lease.paused_why == "Invalid key"

        turn(True)
        assert send() == outbox.Sent(), "it pauses"
        SenderLease.objects.update(paused_until=clock.now() - SECOND)
        assert send() == outbox.Sent(delivered=3)
        lease.refresh_from_db()
        assert (lease.paused_until, lease.paused_why) == (None, "")

    def test_is_tried_with_one_event_afterwards(
        self, shop: Sandbox, plan: Plan, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        post(plan)
        other, _ = make_subscriber("globex")
        at_stripe(other)
        post(other)
        key_of(shop, monkeypatch)(False)
        send()
        MeterEvent.objects.update(attempts=0)
        SenderLease.objects.update(paused_until=clock.now() - SECOND)

        assert send() == outbox.Sent()

        assert sorted(MeterEvent.objects.values_list("attempts", flat=True)) == [0, 1]
        assert SenderLease.objects.get().paused_until is not None


class TestExpiry:
    def test_is_an_alarm_and_no_endless_retry(
        self, shop: Sandbox, plan: Plan, caplog: pytest.LogCaptureFixture
    ) -> None:
        event = post(plan)
        MeterEvent.objects.update(timestamp=clock.now() - timedelta(days=35))

        with caplog.at_level(logging.CRITICAL, logger="billing.outbox"):
            assert send() == outbox.Sent(rejected=1)

        event.refresh_from_db()
        assert event.state == "expired"
        assert meter_calls(shop) == []
        assert [record.event for record in caplog.records] == [event.pk]  # type: ignore[attr-defined]

    def test_is_told_from_other_refusals_where_stripe_says_it(
        self, shop: Sandbox, plan: Plan, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        event = post(plan)
        MeterEvent.objects.update(timestamp=clock.now() - timedelta(days=40))
        monkeypatch.setattr(claims, "EXPIRES_AFTER", timedelta(days=60))

        assert send() == outbox.Sent(rejected=1)

        event.refresh_from_db()
        assert event.state == "expired"
        assert event.answer is not None
        assert "35 days" in event.answer["message"]


class TestPrune:
    def test_removes_only_what_was_replaced_untried_long_ago(self, three: list[MeterEvent]) -> None:
        now = clock.now()
        old, tried, closing = three
        MeterEvent.objects.update(superseded_at=now - timedelta(days=91))
        MeterEvent.objects.filter(pk=tried.pk).update(attempts=1)
        MeterEvent.objects.filter(pk=closing.pk).update(reason="close")

        assert pruning.prune(now=now, keep=timedelta(days=92)) == 0
        assert pruning.prune(now=now, keep=timedelta(days=90)) == 1
        assert set(MeterEvent.objects.values_list("pk", flat=True)) == {tried.pk, closing.pk}
        assert old.pk is not None

    def test_leaves_what_waits(self, three: list[MeterEvent]) -> None:
        assert pruning.prune(now=clock.now() + timedelta(days=900), keep=timedelta(days=1)) == 0


class TestClaim:
    def test_reads_only_what_waits_however_much_was_sent(self, plan: Plan) -> None:
        _fill(plan, sent=100_000, waiting=1_000)
        with connection.cursor() as cursor:
            cursor.execute(
                "EXPLAIN (ANALYZE, FORMAT TEXT)" + claims._claim_sql(),
                {"claim": "0" * 32, "batch": 500, "of_a_stream": 50},
            )
            shown = "\n".join(row[0] for row in cursor.fetchall())

        assert "meter_events_to_send" in shown
        assert "Seq Scan on billing_meterevent" not in shown

    def test_takes_a_bounded_part_of_a_stream_in_order(self, plan: Plan) -> None:
        _fill(plan, sent=0, waiting=60)

        claimed = claims.claim(batch=500)

        assert len(claimed) == claims.OF_A_STREAM
        stamps = [event.timestamp for event in claimed]
        assert stamps == sorted(stamps)
        assert stamps[0] == MeterEvent.objects.earliest("timestamp").timestamp


def _fill(plan: Plan, *, sent: int, waiting: int) -> None:
    """Store that many events of reports: they add up, so they may share a second."""
    customer = plan.organization.billing_customer
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO billing_meterevent
                (meter, organization_id, customer_id, source_uuid, value, timestamp, identifier,
                 reason, counted_at, attempts, sent_at)
            SELECT 'metrics', %(organization)s, %(customer)s, gen_random_uuid(), 1,
                   now() - number * interval '1 second', 'metrics-' || number, 'usage', now(), 0,
                   CASE WHEN number > %(waiting)s THEN now() END
            FROM generate_series(1, %(sent)s + %(waiting)s) number
            """,
            {
                "organization": plan.organization_id,
                "customer": customer.pk,
                "sent": sent,
                "waiting": waiting,
            },
        )
        cursor.execute("ANALYZE billing_meterevent")


def test_one_that_cannot_be_asked_about_does_not_keep_others_back(
    shop: Sandbox, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    post(plan)
    other, project = make_subscriber("globex")
    at_stripe(other)
    report(project, 4)
    post(other)
    real = gateway.Gateway.post_meter_event

    def stumble(self: gateway.Gateway, **event: Any) -> gateway.Answer:
        if event["value"] == 0:
            raise ValueError("no such thing")
        return real(self, **event)

    monkeypatch.setattr(gateway.Gateway, "post_meter_event", stumble)

    assert send() == outbox.Sent(delivered=1, retried=1)
