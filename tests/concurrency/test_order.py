"""Concurrent reports with the same series in opposite orders wait, and never deadlock.

Where two sessions meet, a third holds the middle one of three rows. Two that lock in opposite
orders then hold one end each and want the other's; sorted, the second waits behind the first. So
an order that is lost fails every time, and not only where two threads happen to collide.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import msgspec
import pytest
from django.db import transaction

from bencher import clock
from series import last_seen
from series import models as series_models
from series.models import Benchmark, Dimension, Measure, Project, SeriesLastSeen
from tests.concurrency.conftest import Post
from tests.concurrency.stepping import (
    Pause,
    at_once,
    begin,
    deadlocks,
    done,
    wait_for_lock_waiters,
)
from tests.factories import NOV, report_body

T = TypeVar("T")

ROUNDS = 4


def meet(
    first: Callable[[], T], second: Callable[[], T], *, middle: Callable[[], object]
) -> list[T]:
    """Let two sessions come to what a transaction of a third holds; return what came of them."""
    held = Pause()
    holder = begin(lambda: _in_transaction(held.after(middle)))
    held.wait_until_reached()
    one = begin(first)
    wait_for_lock_waiters(1)
    two = begin(second)
    wait_for_lock_waiters(2)
    held.let_go()
    done(holder)
    return [done(one), done(two)]


def _in_transaction(act: Callable[[], object]) -> None:
    with transaction.atomic():
        act()


def make(model: type[Dimension], project: Project, name: str, **more: Any) -> Any:
    return model._default_manager.create(
        project=project, name=name, slug=name.lower(), created_at=NOV, modified_at=NOV, **more
    )


class TestRecord:
    @pytest.mark.parametrize("known", [True, False], ids=["known series", "new series"])
    def test_opposite_orders_do_not_deadlock(self, project: Project, known: bool) -> None:
        testbed = make(series_models.Testbed, project, "ci")
        measure = make(Measure, project, "time", units="s")
        ids = [make(Benchmark, project, name).pk for name in ("a", "b", "c")]

        def record(benchmark_ids: Sequence[int]) -> None:
            last_seen.record(
                organization_id=project.organization_id,
                project_id=project.pk,
                testbed_id=testbed.pk,
                benchmark_ids=benchmark_ids,
                measure_ids=[measure.pk] * len(benchmark_ids),
                at=clock.now(),
            )

        if known:
            _in_transaction(lambda: record(ids))

        meet(
            lambda: _in_transaction(lambda: record(ids)),
            lambda: _in_transaction(lambda: record(ids[::-1])),
            middle=lambda: record(ids[1:2]),
        )

        assert SeriesLastSeen.objects.count() == 3
        assert deadlocks() == 0


class TestAccept:
    @pytest.fixture
    def report(self, post: Post) -> Callable[..., int]:
        """Return a function that reports names in an order and returns the status."""

        def report(benchmarks: Sequence[str], measures: Sequence[str], branch: str = "main") -> int:
            metrics = {measure: {"value": 1} for measure in measures}
            results = msgspec.json.encode(dict.fromkeys(benchmarks, metrics)).decode()
            # Of one commit: reports without one wait for each other at the head of their branch.
            answer = post(report_body(results, end_time=clock.now(), branch=branch, hash="0" * 40))
            status: int = answer.status_code
            return status

        assert report(["known"], ["known"]) == 201
        return report

    def test_new_benchmarks_in_opposite_orders_do_not_deadlock(
        self, project: Project, report: Callable[..., int]
    ) -> None:
        answers = meet(
            lambda: report(["a", "b", "c"], ["known"]),
            lambda: report(["c", "b", "a"], ["known"]),
            middle=lambda: make(Benchmark, project, "b"),
        )

        assert answers == [201, 201]
        assert Benchmark.objects.count() == 4
        assert deadlocks() == 0

    def test_new_measures_sort_as_they_are_stored(
        self, project: Project, report: Callable[..., int]
    ) -> None:
        """Built-in ones may be called by their slug: sorting what was sent is not enough."""
        answers = meet(
            lambda: report(["known"], ["Mine", "Nine", "latency"]),
            lambda: report(["known"], ["Latency", "Mine", "Nine"]),
            middle=lambda: make(Measure, project, "Nine", units="s"),
        )

        assert answers == [201, 201]
        assert set(Measure.objects.values_list("name", flat=True)) == {
            "known",
            "Latency",
            "Mine",
            "Nine",
        }
        assert deadlocks() == 0

    def test_whole_reports_in_opposite_orders_do_not_deadlock(
        self, report: Callable[..., int]
    ) -> None:
        answers: list[int] = []
        measures = ["latency", "throughput"]

        # Every other round makes names and series, the one after it finds them.
        for number in range(ROUNDS):
            names = [f"bench_{index}" for index in range(200 * (1 + number // 2))]
            answers += at_once(
                [
                    partial(report, names, measures, "one"),
                    partial(report, names[::-1], measures[::-1], "two"),
                    partial(report, names[100:] + names[:100], measures, "three"),
                ]
            )

        assert answers == [201] * 3 * ROUNDS
        assert SeriesLastSeen.objects.count() == 801
        assert deadlocks() == 0
