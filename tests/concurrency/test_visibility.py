"""A flip while a report comes in, and while the period closes, stepped by hand."""

from datetime import timedelta

import pytest

from bencher import clock
from billing import close
from billing.models import BillingPeriod, Plan
from series import counting, projects
from series import last_seen as ledger
from series.counting import Basis
from series.models import Project, ProjectChange, Visibility
from tests.concurrency.conftest import Post
from tests.concurrency.stepping import Pause, begin, done
from tests.factories import bmf, report_body


def publish(project: Project) -> None:
    projects.set_visibility(project, Visibility.PUBLIC, now=clock.now(), by=None)


def billed(plan: Plan) -> int:
    """Return the billed count of the plan's running period."""
    period = plan.periods.get()
    return counting.count_active(
        plan.organization_id, start=period.starts_at, end=period.ends_at, basis=Basis.PRIVATE
    ).billed


@pytest.fixture
def before_commit(monkeypatch: pytest.MonkeyPatch) -> Pause:
    """Return the point at which the first flip is written and not committed."""
    pause = Pause()
    monkeypatch.setattr(projects, "_note", pause.after(projects._note))
    return pause


class TestIngest:
    def test_a_report_does_not_wait_for_a_flip_and_counts_until_it_commits(
        self, plan: Plan, project: Project, post: Post, before_commit: Pause
    ) -> None:
        flipping = begin(lambda: publish(project))
        before_commit.wait_until_reached()

        reported = done(begin(lambda: post(report_body(bmf(3), end_time=clock.now()))))

        assert reported.status_code == 201
        assert billed(plan) == 3
        before_commit.let_go()
        done(flipping)
        assert billed(plan) == 0

    def test_a_flip_does_not_wait_for_a_report_and_both_hold(
        self, plan: Plan, project: Project, post: Post, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        recorded = Pause()
        monkeypatch.setattr(ledger, "record", recorded.after(ledger.record))
        reporting = begin(lambda: post(report_body(bmf(3), end_time=clock.now())))
        recorded.wait_until_reached()

        done(begin(lambda: publish(project)))
        recorded.let_go()

        assert done(reporting).status_code == 201
        assert billed(plan) == 0
        projects.set_visibility(project, Visibility.PRIVATE, now=clock.now(), by=None)
        assert billed(plan) == 3


class TestClose:
    @pytest.fixture
    def period(self, plan: Plan, post: Post) -> BillingPeriod:
        """Return Acme's period, which ended just now with three series."""
        body = report_body(bmf(3), end_time=clock.now() - timedelta(minutes=1))
        assert post(body).status_code == 201
        BillingPeriod.objects.filter(plan=plan).update(ends_at=clock.now())
        return plan.periods.get()

    def test_a_flip_before_the_snapshot_decides_and_is_flagged(
        self, period: BillingPeriod, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fenced = Pause()
        monkeypatch.setattr(close, "_freeze", fenced.before(close._freeze))
        closing = begin(lambda: close.close(period.pk, now=clock.now()))
        fenced.wait_until_reached()

        publish(project)
        fenced.let_go()

        statement = done(closing)
        assert (statement.series, statement.total_series) == (0, 3)
        assert [change["kind"] for change in statement.late_changes] == ["made_public"]

    def test_a_flip_that_commits_after_the_snapshot_is_neither_counted_nor_flagged(
        self, period: BillingPeriod, project: Project, before_commit: Pause
    ) -> None:
        flipping = begin(lambda: publish(project))
        before_commit.wait_until_reached()

        statement = done(begin(lambda: close.close(period.pk, now=clock.now())))
        before_commit.let_go()
        done(flipping)

        assert (statement.series, statement.late_changes) == (3, [])
        assert set(statement.lines.values_list("project_visibility", "billed")) == {
            ("private", True)
        }
        assert ProjectChange.objects.filter(kind="made_public").exists()
