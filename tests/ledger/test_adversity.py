"""What could move money in the wrong way: edges of time, of visibility, and of size."""

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from bencher import clock
from billing import close, explaining, posting, pricing, reconcile, simulating
from billing.explaining import Wanted
from billing.models import BillingPeriod, MeterEvent, Plan, Statement
from billing.simulating import Changes
from ingest.models import Report
from series import counting, fence, projects, recounting
from series.counting import Basis
from series.models import Fence, Project, SeriesLastSeen, Visibility
from tests.billing.conftest import MONTH, make_subscriber, report
from tests.factories import (
    DEC,
    JAN,
    NOV,
    bmf,
    make_organization,
    make_period,
    make_plan,
    make_project,
    make_project_key,
    make_user,
    report_body,
)

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)
MICROSECOND = timedelta(microseconds=1)
HOUR = timedelta(hours=1)


def post(project: Project, benchmarks: int, *, end_time: datetime, prefix: str = "bench") -> Report:
    """Report that many series with an end time, and return the report."""
    answer = Client(headers={"authorization": f"Bearer {make_project_key(project)}"}).post(
        f"/v0/projects/{project.uuid}/reports",
        report_body(bmf(benchmarks, prefix=prefix), end_time=end_time),
        content_type="application/json",
    )
    assert answer.status_code == 201, answer.content
    return Report.objects.get(uuid=answer.json()["uuid"])


def count(period: BillingPeriod) -> int:
    return counting.count_active(
        period.organization_id,
        start=period.starts_at,
        end=period.ends_at,
        basis=Basis(period.basis),
    ).billed


def recount(period: BillingPeriod) -> int:
    return recounting.recount(
        period.organization_id,
        start=period.starts_at,
        end=period.ends_at,
        basis=Basis(period.basis),
    ).billed


def end(plan: Plan) -> BillingPeriod:
    """Let the plan's period end just now."""
    plan.periods.update(ends_at=clock.now())
    return plan.periods.get()


class TestClockSkew:
    def test_a_report_dated_past_the_end_counts_where_it_was_received(self) -> None:
        """CI's clock runs four minutes ahead, and the period ends in two."""
        plan, project = make_subscriber("acme")
        now = clock.now()
        plan.periods.update(ends_at=now + timedelta(minutes=2))

        sent = post(project, 3, end_time=now + timedelta(minutes=4))

        assert sent.seen_at == sent.received_at < plan.periods.get().ends_at < sent.end_time
        clock.set_ahead(timedelta(minutes=3))
        assert close.close(plan.periods.get().pk, now=clock.now()).series == 3
        following = make_period(plan, starts_at=plan.periods.get().ends_at, ends_at=now + MONTH)
        assert count(following) == 0

    def test_what_was_dated_before_the_end_and_came_after_it_is_billed_once(self) -> None:
        """Between end and close it is in the period, after the close in the next; never in both."""
        plan, project = make_subscriber("acme")
        period = end(plan)
        following = make_period(plan, starts_at=period.ends_at, ends_at=period.ends_at + MONTH)

        post(project, 2, end_time=period.ends_at - SECOND, prefix="before")
        statement = close.close(period.pk, now=clock.now())
        post(project, 3, end_time=period.ends_at - SECOND, prefix="after")

        assert statement.series == 2
        assert count(following) == recount(following) == 3

    @pytest.mark.parametrize("by", [-MICROSECOND, timedelta(0), MICROSECOND])
    def test_the_bounding_microsecond_belongs_to_the_next_period(self, by: timedelta) -> None:
        plan, project = make_subscriber("acme")
        bound = clock.now() - HOUR
        plan.periods.update(ends_at=bound)
        period = plan.periods.get()
        following = make_period(plan, starts_at=bound, ends_at=bound + MONTH)

        post(project, 1, end_time=bound + by)

        inside = int(by < timedelta(0))
        assert close.close(period.pk, now=clock.now()).series == inside
        assert count(following) == recount(following) == 1 - inside

    def test_a_day_of_another_zone_is_the_instant_that_it_is(self) -> None:
        plan, project = make_subscriber("acme")
        bound = clock.now() - HOUR
        plan.periods.update(ends_at=bound)
        body = report_body(bmf(1), end_time=bound - SECOND)
        east = (bound - SECOND).replace(tzinfo=None) + timedelta(hours=14)
        body["start_time"] = body["end_time"] = f"{east.isoformat()}+14:00"
        client = Client(headers={"authorization": f"Bearer {make_project_key(project)}"})

        answer = client.post(
            f"/v0/projects/{project.uuid}/reports", body, content_type="application/json"
        )

        assert answer.status_code == 201
        assert close.close(plan.periods.get().pk, now=clock.now()).series == 1


class TestFence:
    def test_of_a_gap_between_two_plans_nothing_is_dated_into_either(self) -> None:
        """Acme left, came back a month later, and sends what it measured meanwhile."""
        plan, project = make_subscriber("acme")
        plan.periods.update(ends_at=clock.now() - 5 * HOUR)
        first = plan.periods.get()
        close.close(first.pk, now=clock.now())
        Plan.objects.update(ended_at=first.ends_at)
        again = make_plan(plan.organization)
        second = make_period(again, starts_at=clock.now() - HOUR, ends_at=clock.now() + MONTH)

        for number, ago in enumerate((6, 4, 2)):
            sent = post(project, 1, end_time=clock.now() - ago * HOUR, prefix=f"b{number}")
            assert sent.seen_at == sent.received_at

        assert recount(first) == 0
        assert count(second) == recount(second) == 3

    def test_a_fence_ahead_of_now_moves_reports_to_it(self) -> None:
        """As cancelling now will raise it to the next whole minute."""
        plan, project = make_subscriber("acme")
        ahead = clock.now() + timedelta(seconds=40)
        fence.raise_to(plan.organization_id, ahead)

        sent = post(project, 2, end_time=clock.now())

        assert sent.seen_at == ahead
        assert SeriesLastSeen.objects.values_list("last_seen", flat=True).distinct().get() == ahead


class TestPeriodMovesWhileClosing:
    """Stripe is followed between the two transactions of a close."""

    @pytest.fixture
    def moving(self, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
        """Return values that the period takes once its fence is raised."""
        values: dict[str, Any] = {}
        raise_to = fence.raise_to

        def and_move(organization_id: int, at: datetime) -> None:
            raise_to(organization_id, at)
            BillingPeriod.objects.filter(organization_id=organization_id).update(**values)

        monkeypatch.setattr(fence, "raise_to", and_move)
        return values

    def test_one_that_is_cut_closes_at_its_new_end_and_loses_nothing(
        self, moving: dict[str, Any]
    ) -> None:
        plan, project = make_subscriber("acme")
        post(project, 2, end_time=clock.now() - 3 * HOUR, prefix="kept")
        post(project, 3, end_time=clock.now() - HOUR, prefix="cut")
        period = end(plan)
        moving["ends_at"] = cut = period.ends_at - 2 * HOUR

        statement = close.close(period.pk, now=clock.now())

        moving.clear()
        following = make_period(plan, starts_at=cut, ends_at=cut + MONTH)
        assert (statement.series, statement.ends_at) == (2, cut)
        assert count(following) == recount(following) == 3
        # What comes now and is dated into the closed part, or into the cut one, counts once.
        post(project, 1, end_time=cut - HOUR, prefix="late")
        post(project, 1, end_time=cut + HOUR, prefix="later")
        assert count(following) == recount(following) == 5
        assert recount(BillingPeriod.objects.get(pk=period.pk)) == 2

    def test_one_that_is_extended_is_not_closed_and_counts_on(self, moving: dict[str, Any]) -> None:
        plan, project = make_subscriber("acme")
        post(project, 2, end_time=clock.now() - HOUR, prefix="kept")
        period = end(plan)
        moving["ends_at"] = period.ends_at + MONTH

        with pytest.raises(close.PeriodNotEndedError):
            close.close(period.pk, now=clock.now())

        moving.clear()
        late = post(project, 1, end_time=clock.now() - 2 * HOUR, prefix="late")
        assert late.seen_at >= period.ends_at
        assert count(plan.periods.get()) == recount(plan.periods.get()) == 3
        assert not Statement.objects.exists()


class TestProjects:
    def test_one_restored_after_the_close_counts_next_and_changes_nothing_closed(self) -> None:
        plan, project = make_subscriber("acme")
        report(project, 3, ago=HOUR)
        projects.delete(project, now=clock.now(), by=None)
        period = end(plan)
        statement = close.close(period.pk, now=clock.now())
        following = make_period(plan, starts_at=period.ends_at, ends_at=period.ends_at + MONTH)

        projects.restore(project, now=clock.now(), by=None)
        report(project, 2)

        assert (statement.series, statement.total_series) == (0, 3)
        of = explaining.subject(plan.organization, start=period.starts_at, now=clock.now())
        shown, _ = explaining.page(of, Wanted(), cursor="", limit=10)
        assert {one.reason for one in shown} == {explaining.Reason.PROJECT_DELETED}
        assert count(following) == 2
        checked = {one.period.pk: one for one in reconcile.run(now=clock.now())}
        assert checked[period.pk].differences == []

    def test_one_restored_between_fence_and_recount_is_billed_and_flagged(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        plan, project = make_subscriber("acme")
        report(project, 3, ago=HOUR)
        projects.delete(project, now=clock.now(), by=None)
        freeze = close._freeze

        def restore_and_freeze(period: BillingPeriod, *, now: datetime) -> Statement:
            projects.restore(project, now=clock.now(), by=None)
            return freeze(period, now=now)

        monkeypatch.setattr(close, "_freeze", restore_and_freeze)

        statement = close.close(end(plan).pk, now=clock.now())

        assert statement.series == 3
        assert [change["kind"] for change in statement.late_changes] == ["deleted", "restored"]

    def test_where_all_are_billed_public_ones_are_and_deleted_ones_are_not(
        self, settings: Any
    ) -> None:
        plan, project = make_subscriber("acme")
        public, gone = (
            make_project(name, organization=plan.organization, visibility=Visibility.PUBLIC)
            for name in ("Open", "Gone")
        )
        for place, benchmarks in ((project, 2), (public, 3), (gone, 4)):
            report(place, benchmarks, ago=HOUR)
        projects.delete(gone, now=clock.now(), by=None)
        plan.periods.update(basis="all")
        simulated = simulating.simulate(
            plan.organization, Changes(projects=[public.uuid]), now=clock.now()
        )
        assert (simulated.now.series, simulated.then.series) == (5, 2)
        assert count(plan.periods.get()) == 5
        # A setting that changes meanwhile does not reach a period that runs.
        settings.ACTIVE_SERIES_VISIBILITY = "private"

        statement = close.close(end(plan).pk, now=clock.now())

        assert (statement.series, statement.total_series) == (5, 9)
        assert MeterEvent.objects.get(reason="close").value == 5
        of = explaining.subject(plan.organization, start=statement.starts_at, now=clock.now())
        shown, _ = explaining.page(of, Wanted(), cursor="", limit=10)
        reasons = {(one.project, one.billed, one.reason.value) for one in shown}
        assert reasons == {
            ("Engine", True, "seen"),
            ("Open", True, "seen"),
            ("Gone", False, "project_deleted"),
        }
        (checked,) = reconcile.run(now=clock.now())
        assert checked.differences == []


class TestSize:
    def test_the_widest_reports_make_an_exact_statement(self) -> None:
        """Of 10,000 benchmarks each, half of which were seen twice."""
        plan, project = make_subscriber("acme")
        for part in range(2):
            post(project, 10_000, end_time=clock.now() - HOUR, prefix=f"p{part}")
        post(project, 10_000, end_time=clock.now() - 2 * HOUR, prefix="p0")

        statement = close.close(end(plan).pk, now=clock.now())

        assert (statement.series, statement.total_series) == (20_000, 20_000)
        assert statement.amount_cents == 20_000 * 40
        assert statement.lines.filter(billed=True).count() == 20_000
        (checked,) = reconcile.run(now=clock.now())
        assert checked.differences == []

    def test_a_count_past_thirty_two_bits_is_priced_exactly(self) -> None:
        plan, _ = make_subscriber("acme")
        ladder = pricing.ladder(plan.periods.get().tiers)

        assert simulating.cost(ladder, 2**40, in_trial=False).amount_cents == 2**40 * 40

    def test_nothing_at_all_is_a_statement_too(self) -> None:
        organization = make_organization("Empty", leader=make_user("empty"))
        plan = make_plan(organization)
        now = clock.now()
        period = make_period(plan, starts_at=now - HOUR, ends_at=now)

        statement = close.close(period.pk, now=clock.now())

        assert (statement.series, statement.total_series, statement.ledger_series) == (0, 0, 0)
        (checked,) = reconcile.run(now=clock.now())
        assert checked.differences == []


class TestCalendar:
    @pytest.mark.parametrize(
        "bounds",
        [
            (datetime.fromisoformat("2024-01-31T23:59:59+00:00"), 29),
            (datetime.fromisoformat("2024-02-29T12:00:00+00:00"), 29),
            (datetime.fromisoformat("2025-12-31T00:00:00+00:00"), 31),
            (datetime.fromisoformat("2026-03-29T01:30:00+00:00"), 31),
        ],
    )
    def test_periods_of_any_anchor_hold_their_reports_and_their_events(
        self, bounds: tuple[datetime, int]
    ) -> None:
        start, days = bounds
        middle, last = start + timedelta(days=days), start + timedelta(days=days + 30)
        organization = make_organization("Acme", leader=make_user("acme"))
        project = make_project("Engine", organization=organization, visibility=Visibility.PRIVATE)
        plan = make_plan(organization)
        periods = [
            make_period(plan, starts_at=start, ends_at=middle),
            make_period(plan, starts_at=middle, ends_at=last),
        ]
        Fence.objects.update(at=start)
        for number, at in enumerate(
            (start - SECOND, start, middle - MICROSECOND, middle, last - MICROSECOND)
        ):
            post(project, 1, end_time=at, prefix=f"b{number}")

        statements = [close.close(period.pk, now=clock.now()) for period in periods]

        # The one from before the fence counts now, which is in neither.
        assert [statement.series for statement in statements] == [2, 2]
        for period in periods:
            (event,) = MeterEvent.objects.filter(period=period)
            assert period.starts_at < event.timestamp < period.ends_at
            assert event.timestamp.replace(second=0) + timedelta(minutes=1) <= period.ends_at


class TestPosting:
    def test_an_unended_period_behind_an_unclosed_one_posts_its_own_count(self) -> None:
        """Close is down: the older period must not lend its series to the one that runs."""
        plan, project = make_subscriber("acme")
        report(project, 4, ago=2 * HOUR)
        plan.periods.update(ends_at=clock.now() - HOUR)
        running = make_period(plan, starts_at=clock.now() - HOUR, ends_at=clock.now() + MONTH)
        report(project, 1)

        (posted,) = posting.store([plan.pk], reason=MeterEvent.Reason.HINT, even_if_unchanged=False)

        assert (posted.period_id, posted.value) == (running.pk, 1)
        older = plan.periods.earliest("starts_at")
        assert close.close(older.pk, now=clock.now()).series == 4

    def test_the_ledger_raised_by_hand_stops_the_close_and_not_the_others(self) -> None:
        plan, project = make_subscriber("acme")
        other, other_project = make_subscriber("globex")
        for place in (project, other_project):
            report(place, 2, ago=HOUR)
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE series_last_seen SET last_seen = %s"
                " WHERE organization_id = %s AND benchmark_id ="
                " (SELECT min(benchmark_id) FROM series_last_seen WHERE organization_id = %s)",
                [NOV - MONTH, plan.organization_id, plan.organization_id],
            )
        BillingPeriod.objects.update(ends_at=clock.now() - timedelta(minutes=30))

        attempts = {
            BillingPeriod.objects.get(pk=one.period_id).organization_id: one
            for one in close.close_due(now=clock.now())
        }

        assert attempts[plan.organization_id].statement is None
        assert "reports have 2" in attempts[plan.organization_id].failure
        statement = attempts[other.organization_id].statement
        assert statement is not None
        assert statement.series == 2


def test_december_does_not_know_of_november() -> None:
    """The same series in three months are billed in each, and once in each."""
    organization = make_organization("Acme", leader=make_user("acme"))
    project = make_project("Engine", organization=organization, visibility=Visibility.PRIVATE)
    plan = make_plan(organization)
    months = [NOV - MONTH, NOV, DEC, JAN]
    clock.set_ahead(JAN - clock.now())
    periods = [make_period(plan, starts_at=start, ends_at=stop) for start, stop in pairwise(months)]
    Fence.objects.update(at=months[0])
    for period in periods:
        for day in (1, 9, 20):
            post(project, 5, end_time=period.starts_at + timedelta(days=day))

    statements = [close.close(period.pk, now=clock.now()) for period in periods]

    assert [statement.series for statement in statements] == [5, 5, 5]
    assert [recount(period) for period in periods] == [5, 5, 5]
