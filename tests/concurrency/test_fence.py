"""Ingest and close at the fence, stepped by hand: nothing enters a closed period."""

from datetime import timedelta
from typing import Any

import pytest

from bencher import clock
from billing import close
from billing.models import BillingPeriod, Plan, Statement
from ingest import columns
from ingest.models import Report
from series import counting, fence, last_seen
from series.counting import Basis
from series.models import Project
from tests.billing.conftest import MONTH, make_subscriber
from tests.concurrency.conftest import Post, reporter
from tests.concurrency.stepping import (
    Pause,
    begin,
    done,
    wait_for_advisory_lock_waiter,
)
from tests.factories import bmf, report_body


def end(plan: Plan) -> BillingPeriod:
    """Let the plan's period end just now."""
    BillingPeriod.objects.filter(plan=plan).update(ends_at=clock.now())
    return BillingPeriod.objects.get(plan=plan)


def run_close(period: BillingPeriod) -> Statement:
    return close.close(period.pk, now=clock.now())


def of_the_last_minute(benchmarks: int) -> dict[str, Any]:
    """Return a report dated within the period that is about to end."""
    return report_body(bmf(benchmarks), end_time=clock.now() - timedelta(minutes=1))


def counted_after(period: BillingPeriod) -> int:
    """Return how many series count in the period that follows."""
    return counting.count_active(
        period.organization_id,
        start=period.ends_at,
        end=period.ends_at + MONTH,
        basis=Basis.PRIVATE,
    ).billed


class TestInstant:
    def test_a_report_under_way_is_waited_for_and_counted(
        self, plan: Plan, post: Post, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before_commit = Pause()
        monkeypatch.setattr(last_seen, "record", before_commit.after(last_seen.record))
        reporting = begin(lambda: post(of_the_last_minute(3)))
        before_commit.wait_until_reached()
        period = end(plan)

        closing = begin(lambda: run_close(period))
        wait_for_advisory_lock_waiter()
        assert not closing.done()
        before_commit.let_go()

        assert done(reporting).status_code == 201
        statement = done(closing)
        assert (statement.series, statement.ledger_series) == (3, 3)
        assert statement.lines.count() == 3
        assert counted_after(period) == 0

    def test_a_report_that_waited_for_a_close_counts_in_the_next_period(
        self, plan: Plan, post: Post, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fence_is_held = Pause()
        monkeypatch.setattr(fence, "raise_to", fence_is_held.after(fence.raise_to))
        body = of_the_last_minute(3)
        period = end(plan)
        closing = begin(lambda: run_close(period))
        fence_is_held.wait_until_reached()

        reporting = begin(lambda: post(body))
        wait_for_advisory_lock_waiter()
        assert not reporting.done()
        fence_is_held.let_go()

        assert done(closing).series == 0
        assert done(reporting).status_code == 201
        report = Report.objects.get()
        assert report.end_time < period.ends_at <= report.seen_at
        assert counted_after(period) == 3

    def test_a_report_between_fence_and_recount_does_not_wait_and_counts_next(
        self, plan: Plan, post: Post, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before_recount = Pause()
        monkeypatch.setattr(close, "_freeze", before_recount.before(close._freeze))
        body = of_the_last_minute(3)
        period = end(plan)
        closing = begin(lambda: run_close(period))
        before_recount.wait_until_reached()

        reported = done(begin(lambda: post(body)))
        before_recount.let_go()

        assert reported.status_code == 201
        assert done(closing).series == 0
        assert counted_after(period) == 3

    def test_a_report_that_dawdled_before_the_fence_counts_at_the_fence(
        self, plan: Plan, post: Post, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now_is_read = Pause()
        monkeypatch.setattr(fence, "instant", now_is_read.before(fence.instant))
        reporting = begin(lambda: post(of_the_last_minute(3)))
        now_is_read.wait_until_reached()
        period = end(plan)

        statement = run_close(period)
        now_is_read.let_go()

        assert statement.series == 0
        assert done(reporting).status_code == 201
        report = Report.objects.get()
        assert report.received_at < period.ends_at == report.seen_at
        assert counted_after(period) == 3

    def test_a_report_of_the_present_that_dawdled_counts_at_the_fence_too(
        self, plan: Plan, post: Post, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An end time ahead of `now` must not bring `now`, which lies in the closed period."""
        now_is_read = Pause()
        monkeypatch.setattr(fence, "instant", now_is_read.before(fence.instant))
        ahead = report_body(bmf(3), end_time=clock.now() + timedelta(minutes=4))
        reporting = begin(lambda: post(ahead))
        now_is_read.wait_until_reached()
        period = end(plan)

        run_close(period)
        now_is_read.let_go()

        assert done(reporting).status_code == 201
        assert Report.objects.get().seen_at == period.ends_at
        assert Statement.objects.get().series == 0

    def test_reports_of_one_organization_do_not_wait_for_each_other(
        self, post: Post, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fence_is_shared = Pause()
        monkeypatch.setattr(fence, "instant", fence_is_shared.after(fence.instant))
        first = begin(lambda: post(of_the_last_minute(3)))
        fence_is_shared.wait_until_reached()

        second = done(begin(lambda: post(of_the_last_minute(3))))

        assert not first.done()
        assert second.status_code == 201
        fence_is_shared.let_go()
        assert done(first).status_code == 201


class TestHoldExclusively:
    def test_other_organizations_are_not_blocked(
        self, plan: Plan, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        globex_plan, globex = make_subscriber("globex")
        fence_is_held = Pause()
        monkeypatch.setattr(fence, "raise_to", fence_is_held.after(fence.raise_to))
        period = end(plan)
        closing = begin(lambda: run_close(period))
        fence_is_held.wait_until_reached()

        reported = done(begin(lambda: reporter(globex)(of_the_last_minute(3))))
        closed = done(begin(lambda: run_close(end(globex_plan))))

        assert not closing.done()
        assert (reported.status_code, closed.series) == (201, 3)
        fence_is_held.let_go()
        assert done(closing).series == 0

    def test_a_report_that_fails_lets_a_waiting_close_go_on(
        self, plan: Plan, project: Project, post: Post, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before_failing = Pause()

        def insert(*_: object) -> None:
            before_failing.stop_here()
            raise ArithmeticError

        monkeypatch.setattr(columns, "insert", insert)
        reporting = begin(lambda: post(of_the_last_minute(3)))
        before_failing.wait_until_reached()
        period = end(plan)

        closing = begin(lambda: run_close(period))
        wait_for_advisory_lock_waiter()
        before_failing.let_go()

        assert done(reporting).status_code == 500
        assert done(closing).series == 0
