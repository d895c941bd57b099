"""Closing, sweeping, hinting and sending, each twice at the same moment."""

import os
import subprocess
import sys
from collections import Counter
from datetime import date, timedelta

import pytest
from django.db import connection

from bencher import clock
from billing import close, gateway, hints, outbox, posting, sweep, tasks
from billing.models import BillingCustomer, BillingPeriod, MeterEvent, Plan, Statement
from series.models import Project
from tests.billing.conftest import make_subscriber, report
from tests.concurrency.stepping import Pause, at_once, begin, done, wait_for_lock_waiters
from tests.stripe_sandbox import Sandbox

TODAY = date(2026, 11, 20)


@pytest.fixture(autouse=True)
def _without_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tasks, which are called here as functions, enqueue nothing."""
    monkeypatch.setattr(tasks.send_meter_events, "delay", lambda: None)
    monkeypatch.setattr(hints, "began", lambda _: None)


def sweep_today() -> sweep.Swept:
    return sweep.run(on=TODAY)


def hint(plan: Plan) -> None:
    tasks.post_active_series(organization_id=plan.organization_id)


def values() -> list[int]:
    """Return the stored values, in the order of their stamps."""
    return list(MeterEvent.objects.order_by("timestamp").values_list("value", flat=True))


class TestClose:
    def test_two_at_once_make_one_statement_and_one_closing_event(
        self, plan: Plan, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        report(project, 3, ago=timedelta(minutes=1))
        BillingPeriod.objects.update(ends_at=clock.now())
        period = plan.periods.get()
        before_commit = Pause()
        monkeypatch.setattr(close, "_post", before_commit.after(close._post))
        first = begin(lambda: close.close(period.pk, now=clock.now()))
        before_commit.wait_until_reached()

        second = begin(lambda: close.close(period.pk, now=clock.now()))
        wait_for_lock_waiters()
        before_commit.let_go()

        assert done(first) == done(second) == Statement.objects.get()
        assert MeterEvent.objects.filter(reason="close").count() == 1
        assert Statement.objects.get().lines.count() == 3

    def test_a_hint_under_way_stays_before_the_closing_event(
        self, plan: Plan, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        BillingPeriod.objects.update(ends_at=clock.now() + timedelta(minutes=3))
        report(project, 3)
        before_commit = Pause()
        monkeypatch.setattr(posting, "supersede", before_commit.before(posting.supersede))
        hinting = begin(lambda: hint(plan))
        before_commit.wait_until_reached()
        report(project, 5)
        clock.set_ahead(timedelta(minutes=4))

        closing = begin(lambda: close.close(plan.periods.get().pk, now=clock.now()))
        done(closing)
        before_commit.let_go()
        done(hinting)

        # Whichever is sent last, Stripe keeps the one with the latest stamp.
        assert values() == [3, 5]
        assert MeterEvent.objects.latest("timestamp").reason == "close"


class TestRun:
    def test_two_at_once_store_one_event_per_plan_and_day(
        self, plan: Plan, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        report(project, 3)
        _, other = make_subscriber("globex")
        report(other, 5)
        before_commit = Pause()
        monkeypatch.setattr(posting, "supersede", before_commit.before(posting.supersede))
        first = begin(sweep_today)
        before_commit.wait_until_reached()

        second = begin(sweep_today)
        wait_for_lock_waiters()
        before_commit.let_go()

        assert done(first) == sweep.Swept(plans=2, events=2, failed=0)
        assert done(second) == sweep.Swept(plans=2, events=0, failed=0)
        assert sorted(values()) == [3, 5]

    def test_a_crowd_stores_one_event_per_plan_and_day(self, plan: Plan, project: Project) -> None:
        report(project, 3)

        swept = at_once([sweep_today] * 4)

        assert sum(one.events for one in swept) == 1
        assert sum(one.failed for one in swept) == 0
        assert values() == [3]


class TestStore:
    """A hint and a sweep at once, and a report that commits between them."""

    def test_what_waited_for_the_lock_counts_what_was_committed_meanwhile(
        self, plan: Plan, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        report(project, 3)
        counted = Pause()
        monkeypatch.setattr(posting, "supersede", counted.before(posting.supersede))
        sweeping = begin(sweep_today)
        counted.wait_until_reached()
        hinting = begin(lambda: hint(plan))
        wait_for_lock_waiters()

        report(project, 5)
        counted.let_go()
        done(sweeping)
        done(hinting)

        assert values() == [3, 5]
        assert self.stamps_follow_the_counts()

    def test_what_waited_for_the_lock_does_not_post_what_it_saw_before(
        self, plan: Plan, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        report(project, 3)
        locked = Pause()
        monkeypatch.setattr(posting, "_lock", locked.after(posting._lock))
        hinting = begin(lambda: hint(plan))
        locked.wait_until_reached()
        sweeping = begin(sweep_today)
        wait_for_lock_waiters()

        report(project, 5)
        locked.let_go()
        done(hinting)
        done(sweeping)

        assert values() == [5, 5]
        assert self.stamps_follow_the_counts()

    def test_a_hint_that_dawdled_before_the_lock_posts_nothing_old(
        self, plan: Plan, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        report(project, 3)
        before_lock = Pause()
        monkeypatch.setattr(posting, "_lock", before_lock.before(posting._lock))
        hinting = begin(lambda: hint(plan))
        before_lock.wait_until_reached()

        report(project, 5)
        sweep_today()
        report(project, 7)
        before_lock.let_go()
        done(hinting)

        assert values() == [5, 7]
        assert self.stamps_follow_the_counts()

    def stamps_follow_the_counts(self) -> bool:
        """Tell whether stamps rise with the instants of the counts, and strictly."""
        by_count = MeterEvent.objects.order_by("counted_at").values_list("timestamp", flat=True)
        return list(by_count) == sorted(set(by_count))


class TestSend:
    """Two senders on one outbox; Stripe must apply each identifier once."""

    @pytest.fixture
    def events(self, shop: Sandbox) -> list[MeterEvent]:
        """Return an event of each of five subscribers, waiting to be sent."""
        for number in range(5):
            plan, project = make_subscriber(f"acme {number}")
            report(project, number + 1)
            customer = gateway.connect().customer(
                name=plan.organization.name,
                email="x@example.com",
                organization_uuid=str(plan.organization.uuid),
            )
            BillingCustomer.objects.filter(organization=plan.organization).update(
                stripe_customer_id=customer
            )
        assert sweep_today().events == 5
        return list(MeterEvent.objects.all())

    def applied(self, shop: Sandbox) -> dict[str, int]:
        """Return how often Stripe has each identifier."""
        return Counter(event.identifier for stream in shop.state.usage.values() for event in stream)

    def test_two_at_once_deliver_each_event_once(
        self, shop: Sandbox, events: list[MeterEvent]
    ) -> None:
        shop.switches.meter_event_latency = 0.02

        sent = at_once([lambda: outbox.send(gateway.connect(), per_second=1000)] * 2)

        assert sum(one.delivered for one in sent) == 5
        assert sum(one.rejected + one.retried for one in sent) == 0
        assert self.applied(shop) == {event.identifier: 1 for event in events}
        assert not MeterEvent.objects.filter(sent_at=None).exists()

    def test_the_second_returns_at_once(
        self, shop: Sandbox, events: list[MeterEvent], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        in_flight = Pause()
        monkeypatch.setattr(
            gateway.Gateway, "post_meter_event", in_flight.before(gateway.Gateway.post_meter_event)
        )
        first = begin(lambda: outbox.send(gateway.connect(), per_second=1000))
        in_flight.wait_until_reached()

        assert outbox.send(gateway.connect(), per_second=1000) == outbox.Sent()

        in_flight.let_go()
        assert done(first).delivered == 5

    def test_a_sender_that_lost_its_lease_in_flight_does_no_harm(
        self, shop: Sandbox, events: list[MeterEvent], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        answered = Pause()
        monkeypatch.setattr(
            gateway.Gateway, "post_meter_event", answered.after(gateway.Gateway.post_meter_event)
        )
        first = begin(lambda: outbox.send(gateway.connect(), per_second=1000))
        answered.wait_until_reached()
        with connection.cursor() as cursor:
            cursor.execute("UPDATE billing_senderlease SET expires_at = statement_timestamp()")

        second = outbox.send(gateway.connect(), per_second=1000)
        answered.let_go()

        assert (second.delivered, second.rejected, second.retried) == (5, 0, 0)
        assert done(first) == outbox.Sent(), "what it learned too late is not stored"
        assert self.applied(shop) == {event.identifier: 1 for event in events}
        assert not MeterEvent.objects.exclude(rejected_at=None, next_attempt_at=None).exists()

    def test_two_processes_deliver_each_event_once(
        self, committed_db: str, shop: Sandbox, events: list[MeterEvent]
    ) -> None:
        shop.switches.meter_event_latency = 0.02
        environment = {
            **os.environ,
            "DATABASE_URL": committed_db,
            "DJANGO_SETTINGS_MODULE": "bencher.settings",
        }
        send = (
            "import django; django.setup();"
            "from billing import gateway, outbox;"
            "print(outbox.send(gateway.connect(), per_second=1000).delivered)"
        )

        senders = [
            subprocess.Popen(
                [sys.executable, "-c", send], env=environment, stdout=subprocess.PIPE, text=True
            )
            for _ in range(2)
        ]
        delivered = [int(sender.communicate(timeout=60)[0]) for sender in senders]

        assert sum(delivered) == 5
        assert self.applied(shop) == {event.identifier: 1 for event in events}
        assert not MeterEvent.objects.filter(sent_at=None).exists()
