"""What the fence costs: ingest with it and without it, and while periods are being closed."""

import multiprocessing
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime, timedelta
from multiprocessing.connection import Connection
from unittest import mock

from django.db import connections, transaction

from bencher import clock
from series import fence
from series.fence import CountedInstant
from series.models import Project
from tests.performance.measuring import Comparison, Progress, Way, compare
from tests.performance.sizes import Sizes
from tests.performance.world import accept, body, make_private_project

# (benchmarks, measures, reports of each writer in a round)
SHAPES = ((10, 1, 20), (1_000, 3, 4))


def benchmark(sizes: Sizes, progress: Progress) -> Iterator[Comparison]:
    """Compare with the fence and without it, for one writer and two."""
    project = make_private_project("Acme")
    for benchmarks, measures, reports in SHAPES:
        accept(project, body(benchmarks, measures))
        for number in (1, 2):
            with _Writers(project, number, benchmarks, measures) as writers:
                yield _cost(writers, reports, sizes, progress)
        with _Writers(project, 2, benchmarks, measures) as writers:
            yield _waiting(project, writers, sizes, progress)


def _cost(writers: "_Writers", reports: int, sizes: Sizes, progress: Progress) -> Comparison:
    def closing(_: object) -> None:
        with _closing_all_the_time(writers.project):
            writers.write(reports)

    return compare(
        f"fence: {writers}, {reports} reports each",
        [
            Way("without the fence", lambda _: writers.write(reports, fenced=False)),
            Way("with the fence", lambda _: writers.write(reports)),
            Way("while a close raises it again and again", closing),
        ],
        rounds=sizes.fence_rounds,
        progress=progress,
        amount=reports * writers.number,
        unit="reports",
    )


def _waiting(project: Project, writers: "_Writers", sizes: Sizes, progress: Progress) -> Comparison:
    def busy() -> None:
        writers.finish()
        writers.begin(3)
        time.sleep(0.01)  # So that reports are under way, at any point of theirs.

    comparison = compare(
        f"fence: what a close waits for it, {writers}",
        [
            Way("nobody reports", lambda _: _raise(project), prepare=writers.finish),
            Way("they report", lambda _: _raise(project), prepare=busy),
        ],
        rounds=sizes.fence_rounds,
        progress=progress,
    )
    writers.finish()
    return comparison


def _raise(project: Project) -> None:
    with transaction.atomic():
        fence.raise_to(project.organization_id, clock.now() - timedelta(days=30))


@contextmanager
def _closing_all_the_time(project: Project) -> Iterator[None]:
    enough = threading.Event()

    def close() -> None:
        try:
            while not enough.is_set():
                _raise(project)
        finally:
            connections.close_all()

    thread = threading.Thread(target=close)
    thread.start()
    try:
        yield
    finally:
        enough.set()
        thread.join()


def _without_lock(organization_id: int, *, end_time: datetime, now: datetime) -> CountedInstant:
    return CountedInstant(received_at=now, seen_at=end_time)


class _Writers:
    """Processes that report to one project when told to, each in a session of its own."""

    def __init__(self, project: Project, number: int, benchmarks: int, measures: int) -> None:
        self.project = project
        self.number = number
        self._shape = benchmarks, measures
        self._pipes: list[Connection] = []
        self._under_way = False

    def __str__(self) -> str:
        benchmarks, measures = self._shape
        writers = "one writer" if self.number == 1 else f"{self.number} writers"
        return f"{writers} of {benchmarks:,} x {measures}"

    def __enter__(self) -> "_Writers":
        # A session must not be shared with a child.
        connections.close_all()
        context = multiprocessing.get_context("fork")
        for _ in range(self.number):
            ours, theirs = context.Pipe()
            process = context.Process(target=self._serve, args=(theirs,), daemon=True)
            process.start()
            self._pipes.append(ours)
        return self

    def __exit__(self, *_: object) -> None:
        self.finish()
        for pipe in self._pipes:
            pipe.send(None)

    def write(self, reports: int, *, fenced: bool = True) -> None:
        """Let each writer report that often, and wait until all have."""
        self.begin(reports, fenced=fenced)
        self.finish()

    def begin(self, reports: int, *, fenced: bool = True) -> None:
        """Let each writer report that often."""
        for pipe in self._pipes:
            pipe.send((reports, fenced))
        self._under_way = True

    def finish(self) -> None:
        """Wait until all have, if they were told to."""
        if self._under_way:
            failures = [pipe.recv() for pipe in self._pipes]
            self._under_way = False
            assert not any(failures), failures

    def _serve(self, pipe: Connection) -> None:
        while order := pipe.recv():
            reports, fenced = order
            try:
                with (
                    nullcontext() if fenced else mock.patch.object(fence, "instant", _without_lock)
                ):
                    for _ in range(reports):
                        accept(self.project, body(*self._shape))
            except Exception as error:  # noqa: BLE001 - told to whoever waits
                pipe.send(repr(error))
            else:
                pipe.send("")
        connections.close_all()
