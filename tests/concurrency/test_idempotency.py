"""Reports with one idempotency key at the same moment."""

from datetime import datetime
from functools import partial
from typing import Any

import pytest

from bencher import clock
from ingest.models import MetricColumn, Report
from series import last_seen
from series.models import Project
from tests.concurrency.conftest import Post
from tests.concurrency.stepping import Pause, at_once, begin, done, wait_for_lock_waiters
from tests.factories import bmf, report_body


def body(benchmarks: int, *, end_time: datetime) -> dict[str, Any]:
    return report_body(bmf(benchmarks), end_time=end_time, hash="0" * 40, idempotency_key="run-1")


@pytest.fixture(autouse=True)
def _known(post: Post) -> None:
    """Make all names known, so that the reports meet at their key and nowhere else."""
    post(report_body(bmf(3), end_time=clock.now(), hash="0" * 40))


@pytest.fixture
def before_commit(monkeypatch: pytest.MonkeyPatch) -> Pause:
    """Return the pause at which the first report stops."""
    pause = Pause()
    monkeypatch.setattr(last_seen, "record", pause.after(last_seen.record))
    return pause


class TestAccept:
    def test_stores_one_report_for_one_key(
        self, project: Project, post: Post, before_commit: Pause, hinted: list[int]
    ) -> None:
        sent = body(3, end_time=clock.now())
        hinted.clear()
        first = begin(partial(post, sent))
        before_commit.wait_until_reached()
        second = begin(partial(post, sent))
        wait_for_lock_waiters()
        before_commit.let_go()

        answers = [done(first), done(second)]

        assert [answer.status_code for answer in answers] == [201, 201]
        assert len({answer.json()["uuid"] for answer in answers}) == 1
        assert Report.objects.filter(idempotency_key="run-1").count() == 1
        assert MetricColumn.objects.count() == 2
        assert hinted == [project.organization_id]

    def test_refuses_the_second_where_the_bodies_differ(
        self, post: Post, before_commit: Pause
    ) -> None:
        end_time = clock.now()
        first = begin(partial(post, body(3, end_time=end_time)))
        before_commit.wait_until_reached()
        second = begin(partial(post, body(2, end_time=end_time)))
        wait_for_lock_waiters()
        before_commit.let_go()

        assert [done(first).status_code, done(second).status_code] == [201, 409]
        assert Report.objects.filter(idempotency_key="run-1").count() == 1

    def test_stores_the_second_where_the_first_fails(
        self, post: Post, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sent = body(3, end_time=clock.now())
        before_failing = Pause()
        record = last_seen.record

        def fail_once(**series: Any) -> int:
            new = record(**series)
            if not before_failing.is_reached:
                before_failing.stop_here()
                raise ArithmeticError
            return new

        monkeypatch.setattr(last_seen, "record", fail_once)
        first = begin(partial(post, sent))
        before_failing.wait_until_reached()
        second = begin(partial(post, sent))
        wait_for_lock_waiters()
        before_failing.let_go()

        assert [done(first).status_code, done(second).status_code] == [500, 201]
        assert Report.objects.filter(idempotency_key="run-1").count() == 1

    def test_a_crowd_with_one_key_stores_one(self, post: Post) -> None:
        sent = body(3, end_time=clock.now())

        answers = at_once([partial(post, sent)] * 4)

        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.json()["uuid"] for answer in answers}) == 1
        assert Report.objects.filter(idempotency_key="run-1").count() == 1
