"""Concurrent reports with the same series in opposite orders wait, and never deadlock.

Where two sessions meet, a third holds the middle one of three rows. Two that lock in opposite
orders then hold one end each and want the other's; sorted, the second waits behind the first. So
an order that is lost fails every time, and not only where two threads happen to collide.
"""

from collections.abc import Callable, Sequence
from functools import partial

import msgspec
import pytest
from django.db import transaction

from bencher import clock
from ingest.adapters import builtin_measures
from series import dimensions, last_seen
from series.dimensions import NewMeasure
from series.models import Benchmark, Measure, Project, SeriesLastSeen
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

ROUNDS = 4


def meet(first: Callable[[], object], second: Callable[[], object], *, middle: object) -> None:
    """Run two transactions that both come to what a third holds; all of them commit."""
    held = Pause()
    assert callable(middle)
    holder = begin(partial(_in_transaction, held.after(middle)))
    held.wait_until_reached()
    one = begin(partial(_in_transaction, first))
    wait_for_lock_waiters(1)
    two = begin(partial(_in_transaction, second))
    wait_for_lock_waiters(2)
    held.let_go()
    for session in (holder, one, two):
        done(session)


def _in_transaction(act: Callable[[], object]) -> None:
    with transaction.atomic():
        act()


def make_benchmarks(project: Project, names: Sequence[str]) -> list[int]:
    with transaction.atomic():
        found = dimensions.benchmarks(project.pk, names, now=NOV)
    return [found[name] for name in names]


class TestRecord:
    @pytest.mark.parametrize("known", [True, False], ids=["known series", "new series"])
    def test_opposite_orders_do_not_deadlock(self, project: Project, known: bool) -> None:
        with transaction.atomic():
            testbed = dimensions.testbed(project.pk, "ci", now=NOV)
            measures = dimensions.measures(
                project.pk, ["m"], describe=lambda name: NewMeasure(name, "s"), now=NOV
            )
        ids = make_benchmarks(project, ["a", "b", "c"])

        def record(benchmark_ids: Sequence[int]) -> None:
            last_seen.record(
                organization_id=project.organization_id,
                project_id=project.pk,
                testbed_id=testbed,
                benchmark_ids=benchmark_ids,
                measure_ids=[measures["m"]] * len(benchmark_ids),
                at=clock.now(),
            )

        if known:
            _in_transaction(lambda: record(ids))

        meet(
            lambda: record(ids),
            lambda: record(ids[::-1]),
            middle=lambda: record(ids[1:2]),
        )

        assert SeriesLastSeen.objects.count() == 3
        assert deadlocks() == 0


class TestBenchmarks:
    def test_new_names_in_opposite_orders_do_not_deadlock(self, project: Project) -> None:
        def resolve(names: Sequence[str]) -> None:
            dimensions.benchmarks(project.pk, names, now=NOV)

        meet(
            lambda: resolve(["a", "b", "c"]),
            lambda: resolve(["c", "b", "a"]),
            middle=lambda: resolve(["b"]),
        )

        assert Benchmark.objects.count() == 3
        assert deadlocks() == 0


class TestMeasures:
    def test_a_name_and_its_slug_sort_as_one(self, project: Project) -> None:
        """Built-in measures may be called by slug: sorting what was sent is not enough."""

        def describe(name: str) -> NewMeasure:
            known = builtin_measures.find(name)
            return NewMeasure(known.name if known else name, "s")

        def resolve(names: Sequence[str]) -> None:
            dimensions.measures(project.pk, names, describe=describe, now=NOV)

        meet(
            lambda: resolve(["Mine", "Nine", "latency"]),
            lambda: resolve(["Latency", "Mine", "Nine"]),
            middle=lambda: resolve(["Nine"]),
        )

        assert set(Measure.objects.values_list("name", flat=True)) == {"Latency", "Mine", "Nine"}
        assert deadlocks() == 0


class TestAccept:
    def test_whole_reports_in_opposite_orders_do_not_deadlock(self, post: Post) -> None:
        answers = []

        def report(names: Sequence[str], branch: str) -> int:
            results = msgspec.json.encode(
                {name: {"latency": {"value": 1}, "throughput": {"value": 1}} for name in names}
            ).decode()
            # A branch of its own: reports to one branch wait for each other at its head.
            answer = post(report_body(results, end_time=clock.now(), branch=branch))
            status: int = answer.status_code
            return status

        for round in range(ROUNDS):
            # The first round makes the names and series, the others find them.
            names = [f"bench_{number}" for number in range(200 * (1 + round % 2))]
            answers += at_once(
                [
                    partial(report, names, "one"),
                    partial(report, names[::-1], "two"),
                    partial(report, names[100:] + names[:100], "three"),
                ]
            )

        assert answers == [201] * 3 * ROUNDS
        assert SeriesLastSeen.objects.count() == 800
        assert deadlocks() == 0
