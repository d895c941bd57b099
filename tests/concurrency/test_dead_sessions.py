"""Sessions that hold locks and say no more: a stopped worker, a machine that went away.

They hold up their own organization for a while, and nobody else.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import pytest
from django.db import connection, transaction

from bencher import clock, db
from billing import close, posting, sweep
from billing.models import BillingPeriod, MeterEvent, Plan
from ingest.models import Report
from series import fence, last_seen
from series.models import Project
from tests.billing.conftest import make_subscriber, report
from tests.concurrency.conftest import Post
from tests.concurrency.stepping import Pause, begin, done, wait_for_advisory_lock_waiter
from tests.factories import bmf, report_body


@contextmanager
def dead(hold: Callable[[], object]) -> Iterator[None]:
    """Hold locks in another session, in a transaction that does not end meanwhile."""
    held = Pause()

    def act() -> None:
        with transaction.atomic():
            hold()
            held.stop_here()

    holding = begin(act)
    held.wait_until_reached()
    yield
    held.let_go()
    done(holding)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let unattended work give up waiting almost at once."""
    monkeypatch.setattr(db, "WAIT_SECONDS", 0.05)


@pytest.fixture
def globex(plan: Plan) -> tuple[Plan, Project]:
    """Return another subscriber, whose period ends after Acme's."""
    return make_subscriber("globex")


def end_all() -> None:
    BillingPeriod.objects.update(ends_at=clock.now())


@pytest.mark.usefixtures("impatient")
class TestCloseDue:
    @pytest.fixture(autouse=True)
    def _at_once(self, settings: Any, globex: tuple[Plan, Project]) -> None:
        settings.BILLING_CLOSE_DELAY *= 0
        report(globex[1], 2)
        end_all()

    def test_a_report_that_never_ends_holds_its_own_organization_only(self, plan: Plan) -> None:
        now = clock.now()
        with dead(lambda: fence.instant(plan.organization_id, end_time=now, now=now)):
            acme, globex = close.close_due(now=now)

        assert acme.statement is None
        assert "lock timeout" in acme.failure
        assert globex.statement is not None
        assert globex.statement.series == 2
        assert [attempt.failure for attempt in close.close_due(now=now)] == [""]

    def test_a_held_period_holds_its_own_organization_only(self, plan: Plan) -> None:
        period = plan.periods.get()
        now = clock.now()

        with dead(lambda: BillingPeriod.objects.select_for_update().get(pk=period.pk)):
            acme, globex = close.close_due(now=now)

        assert "lock timeout" in acme.failure
        assert globex.statement is not None


@pytest.mark.usefixtures("impatient")
class TestSweep:
    def test_a_held_plan_is_left_out_and_the_others_are_swept(
        self, plan: Plan, globex: tuple[Plan, Project]
    ) -> None:
        report(globex[1], 2)

        with dead(lambda: posting._lock([plan.pk])):
            swept = sweep.run(on=date(2026, 11, 20))

        assert (swept.events, swept.failed) == (1, 1)
        assert MeterEvent.objects.get().organization_id == globex[0].organization_id


class TestIngest:
    def test_a_session_that_holds_the_fence_in_silence_is_ended_and_leaves_nothing(
        self, plan: Plan, post: Post, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(db, "SILENT_SECONDS", 0.3)
        stopped = Pause()
        monkeypatch.setattr(last_seen, "record", stopped.after(last_seen.record))
        reporting = begin(lambda: post(report_body(bmf(3), end_time=clock.now())))
        stopped.wait_until_reached()
        end_all()

        closing = begin(lambda: close.close(plan.periods.get().pk, now=clock.now()))
        wait_for_advisory_lock_waiter()

        assert done(closing).series == 0
        stopped.let_go()
        assert done(reporting).status_code == 500
        assert not Report.objects.exists()


class TestBoundWaiting:
    def test_lasts_as_long_as_the_transaction(self) -> None:
        def limits() -> tuple[str, str]:
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT current_setting('lock_timeout'),"
                    " current_setting('idle_in_transaction_session_timeout')"
                )
                row: tuple[str, str] = cursor.fetchall()[0]
            return row

        with transaction.atomic():
            db.bound_waiting()
            assert limits() == ("10s", "1min")
        assert limits() == ("0", "0")
