"""Usage that adds up, altered by one wherever it is held: the next run says so, and why."""

from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bencher import clock
from billing import gateway, metered_usage, outbox, plans, subscribing, tasks, usage_reconcile
from billing.models import (
    BillingPeriod,
    Drift,
    Level,
    MeterEvent,
    MetricsPeriod,
    RunnerMinutes,
    ScheduledRun,
)
from billing.usage_reconcile import Checked
from series.models import Project, Visibility
from tests.billing.conftest import report
from tests.billing.life.conftest import give_card, set_clock
from tests.factories import make_organization, make_project, make_user
from tests.ledger.conftest import HOUR, Customer
from tests.ledger.tampering import tamper
from tests.stripe_sandbox import Sandbox
from tests.stripe_sandbox.faults import METER_EVENTS, Fault

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


def let_pass(sandbox: Sandbox, by: timedelta) -> None:
    sandbox.advance(int((clock.now() + by).timestamp()) + 1)
    set_clock(sandbox.clock.now())


def post(sandbox: Sandbox) -> None:
    """Store and send all usage, and let Stripe and us forget that it was just now."""
    metered_usage.store(look_back=metered_usage.EVERYTHING)
    outbox.send(gateway.connect(), per_second=1000)
    let_pass(sandbox, HOUR)


@pytest.fixture
def team(shop: Sandbox, settings: Any) -> Project:
    """Return a project of an organization on Team: 3 and 4 metrics are billed, and 90 minutes."""
    settings.TEAM_PRODUCT = "prod_team"
    settings.BARE_METAL_PRODUCT = "prod_bare_metal"
    leader = make_user("tina")
    organization = make_organization("Initech", leader=leader)
    engine = make_project("Engine", organization=organization, visibility=Visibility.PRIVATE)
    give_card(organization, leader)
    subscribing.subscribe(organization, leader=leader, now=clock.now(), level=Level.TEAM)
    let_pass(shop, HOUR)
    for series in (3, 4):
        report(engine, series)
    work(organization, 90)
    post(shop)
    return engine


def work(organization: Any, minutes: int) -> RunnerMinutes:
    return RunnerMinutes.objects.create(
        organization=organization,
        runner="iron",
        minutes=minutes,
        start_time=clock.now(),
        idempotency_key=f"job-{minutes}",
        received_at=clock.now(),
    )


def differing() -> list[Checked]:
    return [checked for checked in usage_reconcile.run(now=clock.now()) if checked.differences]


def found() -> list[tuple[str, str, str]]:
    """Reconcile now; return meter, reason and sentence of each difference."""
    return [
        (one.metered.meter.value, difference.reason.value, difference.sentence)
        for one in differing()
        for difference in one.differences
    ]


def event_of(meter: str) -> MeterEvent:
    return MeterEvent.objects.filter(meter=meter).latest("value")


def post_stray(meter: str, value: int) -> None:
    """Post an event that we did not store, as another program with the key would."""
    event = event_of(meter)
    gateway.connect().post_meter_event(
        event_name=meter,
        customer_id=event.customer.stripe_customer_id,
        value=value,
        timestamp=event.timestamp,
        identifier=f"stray-{value}",
    )


def lose_one(shop: Sandbox, meter: str) -> None:
    """Let Stripe hold one less than it was given."""
    ids = {one["id"]: one["event_name"] for one in shop.objects("billing.meter")}
    with shop.transaction(writes=True) as world:
        (events,) = (
            events
            for stream, events in world.state.usage.items()
            if ids[stream.split()[0]] == meter
        )
        events[-1].value -= 1


class TestAgreement:
    def test_nothing_differs_where_nothing_was_altered(self, team: Project) -> None:
        checked = list(usage_reconcile.run(now=clock.now()))

        shown = {one.metered.meter.value: one.shown() for one in checked}
        assert [one.differences for one in checked] == [[], []]
        assert (shown["metrics"]["delivered"], shown["metrics"]["stripe"]) == (7, 7)
        assert (shown["runner_minutes"]["delivered"], shown["runner_minutes"]["stripe"]) == (90, 90)
        assert not Drift.objects.exists()

    def test_a_pro_plan_is_asked_about_only_where_it_has_minutes(
        self, customer: Customer, shop: Sandbox
    ) -> None:
        assert list(usage_reconcile.run(now=clock.now())) == []
        work(customer.organization, 5)
        post(shop)

        checked = list(usage_reconcile.run(now=clock.now()))

        assert {type(one.period) for one in checked} == {BillingPeriod}
        assert [(one.held, one.differences) for one in checked] == [(0, []), (5, [])]

    def test_what_is_carried_over_is_held_in_the_later_period(
        self, team: Project, shop: Sandbox
    ) -> None:
        first = MetricsPeriod.objects.get()
        let_pass(shop, first.ends_at - HOUR - clock.now())
        report(team, 5)
        let_pass(shop, 4 * HOUR)
        plans.sync(first.stripe_subscription_id)

        post(shop)

        held = [one.held for one in usage_reconcile.run(now=clock.now())]
        assert held == [7, 5, 90, 0]
        assert found() == []


ALTERED: dict[str, tuple[Callable[[Sandbox], Any], tuple[str, str]]] = {
    "Stripe's metrics +1": (
        lambda _: post_stray("metrics", 1),
        ("metrics", "stripe"),
    ),
    "Stripe's metrics -1": (lambda shop: lose_one(shop, "metrics"), ("metrics", "stripe")),
    "Stripe's minutes +1": (
        lambda _: post_stray("runner_minutes", 1),
        ("runner_minutes", "stripe"),
    ),
    "Stripe's minutes -1": (
        lambda shop: lose_one(shop, "runner_minutes"),
        ("runner_minutes", "stripe"),
    ),
    "an event's metrics +1": (
        lambda _: tamper(
            "billing_meterevent", "SET value = value + 1 WHERE id = %s", event_of("metrics").pk
        ),
        ("metrics", "outbox"),
    ),
    "one event's metrics +1, another one's -1": (
        lambda _: tamper("billing_meterevent", "SET value = 7 - value WHERE meter = %s", "metrics"),
        ("metrics", "outbox"),
    ),
    "an event's minutes -1": (
        lambda _: tamper(
            "billing_meterevent",
            "SET value = value - 1 WHERE id = %s",
            event_of("runner_minutes").pk,
        ),
        ("runner_minutes", "outbox"),
    ),
    "an event gone": (lambda _: event_of("metrics").delete(), ("metrics", "not-posted")),
    "a report's event for no report": (
        lambda _: tamper(
            "billing_meterevent",
            "SET source_uuid = gen_random_uuid() WHERE id = %s",
            event_of("metrics").pk,
        ),
        ("metrics", "not-posted"),
    ),
    "a call's minutes +1": (
        lambda _: tamper("billing_runnerminutes", "SET minutes = minutes + 1"),
        ("runner_minutes", "outbox"),
    ),
    "a call gone": (
        lambda _: RunnerMinutes.objects.all().delete(),
        ("runner_minutes", "outbox"),
    ),
}


@pytest.mark.parametrize("name", ALTERED)
def test_a_figure_that_was_altered_by_one_is_found(team: Project, shop: Sandbox, name: str) -> None:
    alter, (meter, reason) = ALTERED[name]
    let_pass(shop, 3 * HOUR)
    assert differing() == []
    alter(shop)

    list(usage_reconcile.run(now=clock.now()))

    drift = Drift.objects.get()
    assert (drift.meter, drift.reason, drift.resolved_at) == (meter, reason, None)
    assert drift.metrics_period == MetricsPeriod.objects.get()


class TestLag:
    def test_what_was_sent_just_now_may_not_be_seen_yet(self, team: Project, shop: Sandbox) -> None:
        shop.switches.aggregation_lag_seconds = 1200
        report(team, 5)
        metered_usage.store()
        outbox.send(gateway.connect(), per_second=1000)

        assert found() == []
        let_pass(shop, 19 * MINUTE)
        assert found() == []
        let_pass(shop, 2 * MINUTE)
        assert found() == []
        lose_one(shop, "metrics")
        assert [reason for _, reason, _ in found()] == ["stripe"]

    def test_what_lies_before_it_is_compared_all_the_same(
        self, team: Project, shop: Sandbox
    ) -> None:
        lose_one(shop, "metrics")
        report(team, 5)
        metered_usage.store()
        outbox.send(gateway.connect(), per_second=1000)

        assert found() == [
            ("metrics", "stripe", "Stripe's meter holds 6 metrics, delivered was 7.")
        ]

    def test_what_is_sent_while_it_runs_is_no_drift(
        self, team: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        report(team, 5)
        metered_usage.store()
        ask = gateway.Gateway.summary

        def summary(stripe: gateway.Gateway, **wanted: Any) -> int:
            outbox.send(stripe, per_second=1000)
            return ask(stripe, **wanted)

        monkeypatch.setattr(gateway.Gateway, "summary", summary)

        assert found() == []

    @pytest.mark.parametrize("fault", [Fault.TIMEOUT_BEFORE, Fault.TIMEOUT_AFTER])
    def test_an_attempt_without_an_answer_may_be_there_or_not(
        self, team: Project, shop: Sandbox, fault: Fault
    ) -> None:
        report(team, 5)
        metered_usage.store()
        shop.faults.next(METER_EVENTS, fault)
        outbox.send(gateway.connect(), per_second=1000)
        let_pass(shop, HOUR)

        assert found() == [("metrics", "not-delivered", "1 event of 5 metrics not delivered.")]
        post_stray("metrics", 6)
        assert [reason for _, reason, _ in found()] == ["not-delivered", "stripe"]


class TestReasons:
    def test_usage_without_an_event_is_found_once_that_is_late(
        self, team: Project, shop: Sandbox
    ) -> None:
        report(team, 5)
        let_pass(shop, 2 * HOUR)
        assert found() == []
        let_pass(shop, 2 * HOUR)

        assert found() == [("metrics", "not-posted", "No event for 1 report of 5 metrics.")]

    def test_a_rejected_event_is_the_cause(self, team: Project) -> None:
        MeterEvent.objects.filter(pk=event_of("metrics").pk).update(
            sent_at=None, rejected_at=clock.now()
        )

        reasons = [reason for _, reason, _ in found()]

        assert reasons == ["rejected", "stripe"]

    def test_an_event_of_no_report_is_found_though_stripe_has_it(
        self, team: Project, shop: Sandbox
    ) -> None:
        event = event_of("metrics")
        event.pk, event.identifier = None, "metrics-made-up"
        event.source_uuid, event.value = RunnerMinutes.objects.get().uuid, 1
        event.save(force_insert=True)
        post_stray("metrics", 1)

        assert found() == [("metrics", "outbox", "1 event for no report that is known.")]


class TestRows:
    def test_resolve_when_the_drift_is_gone(self, team: Project) -> None:
        event = event_of("metrics")
        for value in (5, 4):
            tamper("billing_meterevent", "SET value = %s WHERE id = %s", value, event.pk)
            differing()

        assert Drift.objects.get().resolved_at is not None

    def test_what_is_unknown_resolves_nothing(
        self, team: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        post_stray("metrics", 1)
        differing()

        def fail(*_: object, **__: object) -> int:
            raise gateway.TemporaryError("Stripe is down", {"status": 500})

        monkeypatch.setattr(gateway.Gateway, "summary", fail)

        assert {one.unknown for one in usage_reconcile.run(now=clock.now())} == {"Stripe"}
        assert Drift.objects.get().resolved_at is None

    def test_statements_do_not_grow_with_the_organizations(
        self, team: Project, shop: Sandbox
    ) -> None:
        def statements() -> int:
            with CaptureQueriesContext(connection) as captured:
                list(usage_reconcile.run(now=clock.now()))
            return len(captured)

        one = statements()
        leader = make_user("hal")
        hooli = make_organization("Hooli", leader=leader)
        give_card(hooli, leader)
        subscribing.subscribe(hooli, leader=leader, now=clock.now(), level=Level.TEAM)
        work(hooli, 5)

        assert statements() == one


def test_the_nightly_run_has_both_kinds(team: Project, customer: Customer) -> None:
    post_stray("metrics", 1)

    tasks.nightly_reconcile()

    assert ScheduledRun.objects.get().result == {"periods": 4, "differ": 1, "unknown": 0}


def test_the_command_says_which_meter_differs(team: Project) -> None:
    post_stray("metrics", 1)
    output = StringIO()

    with pytest.raises(SystemExit, match="1"):
        call_command("reconcile", "initech", stdout=output)

    assert "metrics: Stripe's meter holds 8 metrics, delivered was 7." in output.getvalue()
    assert "2 periods compared, 1 differ, 0 not fully known" in output.getvalue()
