"""What adds up: reports of older plans and minutes of runners, from the report to the invoice."""

from collections.abc import Callable
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.test import Client

from bencher import clock
from bencher.tenancy.models import Organization, User
from billing import (
    canceling,
    gateway,
    metered_usage,
    outbox,
    plans,
    posting,
    subscribing,
    undecided,
)
from billing.models import Level, MeterEvent, MetricsPeriod, Plan, RunnerMinutes
from billing.undecided import Verdict
from series import projects
from series.models import Project
from tests.billing.conftest import report
from tests.billing.life.conftest import DAY, MINUTE, Travel, give_card, invoices, send
from tests.factories import bmf, make_project_key, make_user_key, report_body
from tests.stripe_sandbox import Sandbox
from tests.stripe_sandbox.faults import METER_EVENTS, Fault

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
Post = Callable[..., Any]


@pytest.fixture
def team(shop: Sandbox, acme: Organization, alice: User, settings: Any, travel: Travel) -> Plan:
    """Return Acme's older plan, an hour into its first period."""
    settings.TEAM_PRODUCT = "prod_team"
    settings.BARE_METAL_PRODUCT = "prod_bare_metal"
    give_card(acme, alice)
    plan = subscribing.subscribe(acme, leader=alice, now=clock.now(), level=Level.TEAM)
    travel(clock.now() + HOUR)
    return plan


@pytest.fixture
def post(acme: Organization, alice: User) -> Post:
    """Return a runner's way to post its minutes."""
    client = Client(headers={"authorization": f"Bearer {make_user_key(alice)}"})

    def post(
        minutes: int,
        *,
        key: str = "job-1",
        runner: str = "iron",
        start_time: str = "2026-11-01T00:00:00Z",
    ) -> Any:
        return client.post(
            f"/v0/organizations/{acme.slug}/runner-minutes",
            {"minutes": minutes, "runner": runner, "start_time": start_time},
            content_type="application/json",
            headers={"Idempotency-Key": key},
        )

    return post


def usage_of(acme: Organization, alice: User) -> Any:
    client = Client(headers={"authorization": f"Bearer {make_user_key(alice)}"})
    return client.get(f"/v0/organizations/{acme.slug}/usage").json()


def held(shop: Sandbox, meter: str = "metrics") -> int:
    ids = {one["id"]: one["event_name"] for one in shop.objects("billing.meter")}
    return sum(
        event.value
        for stream, events in shop.state.usage.items()
        if ids[stream.split()[0]] == meter
        for event in events
    )


def billed(shop: Sandbox, plan: Plan) -> list[int]:
    """Return what each invoice of a cycle charges, in cents, oldest first."""
    return [found["total"] for found in invoices(shop, plan.stripe_subscription_id)]


class TestStore:
    def test_posts_each_report_by_its_metrics_and_no_series(
        self, shop: Sandbox, team: Plan, engine: Project
    ) -> None:
        uuids = [report(engine, 3), report(engine, 4)]

        assert metered_usage.store() == 2
        assert metered_usage.store() == 0
        send()

        events = MeterEvent.objects.order_by("value")
        assert [(event.meter, event.value) for event in events] == [("metrics", 3), ("metrics", 4)]
        assert sorted(str(event.source_uuid) for event in events) == sorted(uuids)
        assert held(shop) == 7
        with transaction.atomic():
            assert (
                posting.store([team.pk], reason=MeterEvent.Reason.MANUAL, even_if_unchanged=True)
                == []
            )

    def test_every_metric_counts_of_every_visibility_deleted_or_not(
        self, team: Plan, engine: Project
    ) -> None:
        Client(headers={"authorization": f"Bearer {make_project_key(engine)}"}).post(
            f"/v0/projects/{engine.uuid}/reports",
            report_body(
                bmf(2, measures=("latency", "memory")),
                bmf(2, measures=("latency", "memory")),
                end_time=clock.now(),
            ),
            content_type="application/json",
        )
        Project.objects.update(visibility="public")
        projects.delete(engine, now=clock.now(), by=None)

        metered_usage.store()

        # Two iterations of two benchmarks with two measures each.
        assert MeterEvent.objects.get().value == 8

    def test_goes_on_while_series_are_dark(
        self, team: Plan, engine: Project, settings: Any
    ) -> None:
        settings.ACTIVE_SERIES_PRODUCT = ""
        plans.sync(team.stripe_subscription_id)
        report(engine, 3)

        assert metered_usage.store() == 1

    def test_stores_nothing_without_a_key(self, team: Plan, engine: Project, settings: Any) -> None:
        report(engine, 3)
        settings.BILLING_CONFIGURED = False

        assert metered_usage.store() == 0

    def test_pro_posts_no_metrics(self, plan: Plan, engine: Project) -> None:
        report(engine, 3)

        assert metered_usage.store(look_back=metered_usage.EVERYTHING) == 0
        assert not MetricsPeriod.objects.exists()

    def test_a_report_of_pro_times_is_billed_by_its_series_only(
        self, plan: Plan, engine: Project
    ) -> None:
        report(engine, 3)
        period = plan.periods.get()
        MetricsPeriod.objects.create(
            organization=plan.organization,
            plan=plan,
            stripe_subscription_id="sub_older",
            starts_at=period.starts_at,
            ends_at=period.ends_at,
            metered_from=period.starts_at,
        )

        assert metered_usage.store() == 0

    def test_what_came_before_the_plan_is_not_billed(
        self,
        shop: Sandbox,
        acme: Organization,
        alice: User,
        engine: Project,
        settings: Any,
        travel: Travel,
    ) -> None:
        settings.TEAM_PRODUCT = "prod_team"
        report(engine, 3)
        travel(clock.now() + HOUR)
        give_card(acme, alice)
        subscribing.subscribe(acme, leader=alice, now=clock.now(), level=Level.TEAM)

        assert metered_usage.store(look_back=metered_usage.EVERYTHING) == 0

    def test_what_another_system_billed_is_not_billed_again(
        self, shop: Sandbox, team: Plan, engine: Project, travel: Travel
    ) -> None:
        # As where the subscription is older than this database.
        report(engine, 3)
        MetricsPeriod.objects.all().delete()
        travel(clock.now() + 2 * DAY)
        plans.sync(team.stripe_subscription_id)
        travel(clock.now() + HOUR)
        report(engine, 4)

        metered_usage.store(look_back=metered_usage.EVERYTHING)

        assert [event.value for event in MeterEvent.objects.all()] == [4]

    def test_a_second_event_of_a_report_is_impossible(self, team: Plan, engine: Project) -> None:
        report(engine, 3)
        metered_usage.store()
        event = MeterEvent.objects.get()
        event.pk, event.identifier = None, "another"

        with pytest.raises(IntegrityError, match="one_event_per_meter_and_source"):
            event.save(force_insert=True)

    def test_no_event_lies_in_a_minute_with_a_bound(self, team: Plan, engine: Project) -> None:
        report(engine, 3)
        period = MetricsPeriod.objects.get()
        received_at = clock.now()
        starts_at = received_at - timedelta(seconds=5)
        MetricsPeriod.objects.update(starts_at=starts_at, metered_from=starts_at)
        metered_usage.store()
        first = starts_at.replace(second=0, microsecond=0)
        assert MeterEvent.objects.get().timestamp >= first + MINUTE

        MeterEvent.objects.all().delete()
        MetricsPeriod.objects.update(
            starts_at=period.starts_at,
            metered_from=period.starts_at,
            ends_at=received_at + timedelta(milliseconds=50),
        )
        metered_usage.store()
        last = (received_at + timedelta(milliseconds=50)).replace(second=0, microsecond=0)
        assert MeterEvent.objects.get().timestamp < last


class TestPeriods:
    def test_follow_stripe_and_end_with_the_plan(
        self, shop: Sandbox, team: Plan, travel: Travel
    ) -> None:
        first = MetricsPeriod.objects.get()
        assert first.metered_from == first.starts_at
        travel(first.ends_at + MINUTE)
        plans.sync(team.stripe_subscription_id)
        second = MetricsPeriod.objects.latest("starts_at")
        assert second.starts_at == first.ends_at

        gateway.connect().cancel_subscription(team.stripe_subscription_id, invoice_now=True)
        ended = plans.sync(team.stripe_subscription_id).ended_at
        second.refresh_from_db()
        assert second.ends_at == ended

    def test_that_were_missed_are_read_from_the_invoices(
        self, shop: Sandbox, team: Plan, travel: Travel
    ) -> None:
        first = MetricsPeriod.objects.get()
        travel(first.ends_at + 40 * DAY)

        plans.sync(team.stripe_subscription_id)

        found = list(MetricsPeriod.objects.order_by("starts_at"))
        assert len(found) == 3
        assert [one.ends_at for one in found[:-1]] == [one.starts_at for one in found[1:]]


class TestLate:
    def test_is_billed_with_the_running_period(
        self, shop: Sandbox, team: Plan, engine: Project, travel: Travel
    ) -> None:
        first = MetricsPeriod.objects.get()
        travel(first.ends_at - HOUR)
        report(engine, 3)
        travel(first.ends_at + 2 * HOUR)
        plans.sync(team.stripe_subscription_id)

        metered_usage.store(look_back=metered_usage.EVERYTHING)
        send()

        second = MetricsPeriod.objects.latest("starts_at")
        assert MeterEvent.objects.get().timestamp > second.starts_at
        travel(second.ends_at + 2 * HOUR)
        assert billed(shop, team) == [0, 3]

    def test_what_was_stored_in_time_and_never_tried_is_carried_over(
        self, shop: Sandbox, team: Plan, engine: Project, travel: Travel
    ) -> None:
        first = MetricsPeriod.objects.get()
        travel(first.ends_at - HOUR)
        report(engine, 3)
        report(engine, 4)
        metered_usage.store()
        tried = MeterEvent.objects.get(value=4)
        MeterEvent.objects.filter(pk=tried.pk).update(attempts=1)
        assert metered_usage.carry_over() == 0
        travel(first.ends_at + 2 * HOUR)
        plans.sync(team.stripe_subscription_id)

        assert metered_usage.carry_over() == 1

        assert MeterEvent.objects.get(value=3).timestamp > first.ends_at
        assert MeterEvent.objects.get(value=4).timestamp == tried.timestamp


class TestRunnerMinutes:
    def test_are_taken_once_shown_and_billed(
        self, shop: Sandbox, team: Plan, acme: Organization, alice: User, post: Post, travel: Travel
    ) -> None:
        first, again = post(90), post(90)
        assert (first.status_code, again.status_code) == (201, 201)
        assert first.json() == again.json()
        assert post(90, key="job-2").status_code == 201
        assert RunnerMinutes.objects.count() == 2
        assert usage_of(acme, alice)["runner_minutes"] == 180

        metered_usage.store()
        send()
        assert held(shop, "runner_minutes") == 180
        travel(MetricsPeriod.objects.get().ends_at + 2 * HOUR)
        assert billed(shop, team) == [300]

    def test_of_a_pro_plan_are_billed_too(self, plan: Plan, post: Post, shop: Sandbox) -> None:
        post(7)

        assert metered_usage.store() == 1
        send()
        assert held(shop, "runner_minutes") == 7

    def test_a_key_with_other_minutes_is_refused(self, team: Plan, post: Post) -> None:
        post(90)

        refused = post(91)

        assert refused.status_code == 409
        assert "90 minutes of iron" in refused.json()["message"]

    @pytest.mark.parametrize(("minutes", "key"), [(0, "job"), (-1, "job"), (5, ""), (10**9, "job")])
    def test_are_some_and_have_a_key(self, db: None, post: Post, minutes: int, key: str) -> None:
        assert post(minutes, key=key).status_code == 400
        assert not RunnerMinutes.objects.exists()

    @pytest.mark.parametrize(
        ("sent", "status"),
        [
            # RFC 3339 allows more offsets than PostgreSQL knows.
            ("2026-11-01T00:00:00-18:34", 201),
            ("2026-11-01T00:00:00+23:59", 201),
            ("9999-12-31T23:00:00-18:34", 400),
            ("0001-01-01T00:00:00+18:34", 400),
        ],
    )
    def test_may_be_of_any_offset_that_has_an_instant(
        self, team: Plan, post: Post, sent: str, status: int
    ) -> None:
        answer = post(5, start_time=sent)

        assert answer.status_code == status
        if status == 400:
            assert "`start_time` lies outside of the years 1 to 9999" in answer.json()["message"]
        else:
            assert RunnerMinutes.objects.get().start_time == datetime.fromisoformat(sent)


class TestUsage:
    def test_of_an_older_plan_is_its_metrics(
        self, team: Plan, acme: Organization, alice: User, engine: Project
    ) -> None:
        report(engine, 3)

        found = usage_of(acme, alice)

        assert (found["metrics"], found["active_series"]) == (3, None)
        period = MetricsPeriod.objects.get()
        assert datetime.fromisoformat(found["end_time"]) == period.ends_at


class TestUndecided:
    """The sender stops for 25 hours after a call that Stripe did not answer."""

    @pytest.fixture
    def unanswered(
        self, shop: Sandbox, team: Plan, engine: Project, travel: Travel
    ) -> Callable[..., MeterEvent]:
        def fail(fault: Fault) -> MeterEvent:
            report(engine, 5)
            metered_usage.store()
            shop.faults.next(METER_EVENTS, fault)
            assert outbox.send(gateway.connect(), per_second=1000).retried == 1
            travel(clock.now() + timedelta(hours=25))
            MeterEvent.objects.update(next_attempt_at=None)
            assert outbox.send(gateway.connect(), per_second=1000) == outbox.Sent(undecided=1)
            travel(clock.now() + HOUR)
            return MeterEvent.objects.get()

        return fail

    def test_what_stripe_applied_is_not_billed_twice(
        self, shop: Sandbox, team: Plan, unanswered: Callable[..., MeterEvent], travel: Travel
    ) -> None:
        event = unanswered(Fault.TIMEOUT_AFTER)
        assert event.state == "undecided"

        (finding,) = undecided.settle(now=clock.now())

        assert (finding.verdict, finding.held, finding.known) == (Verdict.DELIVERED, 5, 0)
        event.refresh_from_db()
        assert event.state == "sent"
        send()
        assert held(shop) == 5
        travel(MetricsPeriod.objects.get().ends_at + 2 * HOUR)
        assert billed(shop, team) == [5]

    def test_what_stripe_missed_is_offered_and_not_lost(
        self, shop: Sandbox, team: Plan, unanswered: Callable[..., MeterEvent], travel: Travel
    ) -> None:
        event = unanswered(Fault.TIMEOUT_BEFORE)
        with pytest.raises(undecided.NotMissingError):
            undecided.resend(event, by="x", reason="too early")

        (finding,) = undecided.settle(now=clock.now())

        event.refresh_from_db()
        assert (finding.verdict, event.state) == (Verdict.MISSING, "undecided")
        send()
        assert held(shop) == 0, "it is never sent again blindly"
        undecided.resend(event, by="root", reason="shown to be missing")
        with pytest.raises(undecided.NotMissingError):
            undecided.resend(event, by="root", reason="twice")
        send()
        assert held(shop) == 5
        travel(MetricsPeriod.objects.get().ends_at + 2 * HOUR)
        assert billed(shop, team) == [5]

    def test_within_a_day_it_is_just_sent_again(
        self, shop: Sandbox, team: Plan, engine: Project, travel: Travel
    ) -> None:
        report(engine, 5)
        metered_usage.store()
        shop.faults.next(METER_EVENTS, Fault.TIMEOUT_AFTER)
        outbox.send(gateway.connect(), per_second=1000)
        travel(clock.now() + timedelta(hours=22))
        MeterEvent.objects.update(next_attempt_at=None)

        assert outbox.send(gateway.connect(), per_second=1000) == outbox.Sent(delivered=1)
        assert held(shop) == 5

    def test_is_not_judged_while_stripe_may_still_be_summing_up(
        self, unanswered: Callable[..., MeterEvent]
    ) -> None:
        unanswered(Fault.TIMEOUT_AFTER)
        MeterEvent.objects.update(undecided_at=clock.now())

        assert undecided.settle(now=clock.now()) == []

    def test_the_command_says_what_it_found_and_resends_only_when_told(
        self, shop: Sandbox, unanswered: Callable[..., MeterEvent]
    ) -> None:
        event = unanswered(Fault.TIMEOUT_BEFORE)
        said = StringIO()

        with pytest.raises(CommandError, match="1 undecided"):
            call_command("settle_undecided", dry_run=True, stdout=said)
        event.refresh_from_db()
        assert event.missing_at is None
        with pytest.raises(CommandError, match="1 undecided"):
            call_command("settle_undecided", stdout=said)
        call_command("settle_undecided", resend=True, stdout=said)

        assert "Stripe holds 0 in the minute of" in said.getvalue()
        send()
        assert held(shop) == 5


class TestArrived:
    @pytest.mark.parametrize(
        ("values", "total", "expected"),
        [
            ([5], 5, {0}),
            ([5], 0, set()),
            ([5], 4, None),
            ([3, 5], 3, {0}),
            ([3, 5], 8, {0, 1}),
            ([3, 3], 3, None),
            ([1, 2, 3], 3, None),
            ([3, 3], 6, {0, 1}),
            ([5], -2, None),
            ([1] * 40, 40, set(range(40))),
            ([1] * 40, 39, None),
        ],
    )
    def test_tells_only_what_is_certain(
        self, values: list[int], total: int, expected: set[int] | None
    ) -> None:
        assert undecided.arrived(values, total) == expected


def test_a_plan_that_is_canceled_at_once_bills_its_last_reports(
    shop: Sandbox, team: Plan, engine: Project, alice: User, travel: Travel
) -> None:
    report(engine, 5)
    begun = canceling.at_once(team, by=alice, reason="closed", now=clock.now())
    assert MetricsPeriod.objects.get().ends_at == begun.ends_at
    travel(begun.ends_at + MINUTE)

    assert canceling.go_on(now=clock.now()) == 0, "the last event is still to be sent"
    send()
    assert canceling.go_on(now=clock.now()) == 1
    assert sum(billed(shop, team)) == 5
