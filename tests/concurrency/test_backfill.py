"""The backfill beside reports that come in, stepped by hand, and killed between two batches.

Expected is what was posted: for each benchmark the latest end time among its reports.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor

from bencher import clock
from ingest import backfill
from ingest.models import Report
from series import last_seen
from series.models import Project, SeriesLastSeen
from tests.concurrency.conftest import Post
from tests.concurrency.stepping import Pause, begin, done, wait_for_lock_waiters
from tests.databases import ROOT
from tests.factories import bmf, report_body

HOUR = timedelta(hours=1)


def ledger() -> dict[str, datetime]:
    """Return when each benchmark was last seen."""
    return dict(SeriesLastSeen.objects.values_list("benchmark__name", "last_seen"))


def fill_stopping_at(pause: Pause) -> backfill.Filled:
    """Fill the ledger, stopping once its first batch is written and not committed."""

    def stop(execute: Callable[..., Any], sql: str, *more: Any) -> Any:
        result = execute(sql, *more)
        if sql == backfill.FILL:
            pause.stop_here()
        return result

    with connection.execute_wrapper(stop):
        return backfill.fill()


class TestFill:
    """Acme reported three benchmarks, then lost its ledger; a fourth report comes meanwhile."""

    @pytest.fixture
    def now(self) -> datetime:
        return clock.now()

    @pytest.fixture
    def expected(self, now: datetime, post: Post) -> dict[str, datetime]:
        """Return what the ledger must say in the end, without the report that comes meanwhile."""
        for hours, benchmarks in ((5, 3), (3, 2)):
            assert (
                post(report_body(bmf(benchmarks), end_time=now - hours * HOUR)).status_code == 201
            )
        SeriesLastSeen.objects.all().delete()
        return {
            "bench_0": now - 3 * HOUR,
            "bench_1": now - 3 * HOUR,
            "bench_2": now - 5 * HOUR,
        }

    def test_a_report_that_comes_while_a_batch_is_written_is_not_lost(
        self, now: datetime, expected: dict[str, datetime], post: Post
    ) -> None:
        before_commit = Pause()
        filling = begin(lambda: fill_stopping_at(before_commit))
        before_commit.wait_until_reached()

        reporting = begin(lambda: post(report_body(bmf(1), end_time=now - HOUR)))
        wait_for_lock_waiters()
        before_commit.let_go()

        assert done(reporting).status_code == 201
        done(filling)
        assert ledger() == expected | {"bench_0": now - HOUR}

    def test_a_report_under_way_is_waited_for_and_not_lowered(
        self,
        now: datetime,
        expected: dict[str, datetime],
        post: Post,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        before_commit = Pause()
        monkeypatch.setattr(last_seen, "record", before_commit.after(last_seen.record))
        # On branches of their own: reports to one branch wait for each other.
        slow_body, later_body = (
            report_body(bmf(1, prefix=prefix), end_time=now - HOUR, branch=prefix)
            for prefix in ("bench", "later")
        )
        reporting = begin(lambda: post(slow_body))
        before_commit.wait_until_reached()
        # The batch ends at this one, so that it passes over the other unseen, for good.
        assert post(later_body).status_code == 201

        filling = begin(backfill.fill)
        wait_for_lock_waiters()
        before_commit.let_go()

        assert done(reporting).status_code == 201
        assert done(filling).reports == 3
        assert ledger() == expected | {"bench_0": now - HOUR, "later_0": now - HOUR}

    def test_an_older_report_that_commits_after_its_batch_writes_its_own_rows(
        self,
        now: datetime,
        expected: dict[str, datetime],
        post: Post,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Its number was given out before the batch and is passed over unseen."""
        before_rows = Pause()
        monkeypatch.setattr(last_seen, "record", before_rows.before(last_seen.record))
        # On branches of their own: reports to one branch wait for each other.
        slow_body, later_body = (
            report_body(bmf(1, prefix=name), end_time=now - hours * HOUR, branch=name)
            for name, hours in (("slow", 4), ("later", 1))
        )
        slow = begin(lambda: post(slow_body))
        before_rows.wait_until_reached()
        later = post(later_body)

        filled = backfill.fill()
        before_rows.let_go()

        assert filled.reports == 3
        first, second = (
            Report.objects.get(uuid=answer.json()["uuid"]).pk for answer in (done(slow), later)
        )
        assert first < second
        assert ledger() == expected | {"slow_0": now - 4 * HOUR, "later_0": now - HOUR}

    def test_a_failed_report_meanwhile_leaves_nothing(
        self,
        now: datetime,
        expected: dict[str, datetime],
        post: Post,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        before_failing = Pause()

        def record(**_: object) -> int:
            before_failing.stop_here()
            raise ArithmeticError

        monkeypatch.setattr(last_seen, "record", record)
        reporting = begin(lambda: post(report_body(bmf(1), end_time=now - HOUR)))
        before_failing.wait_until_reached()

        backfill.fill()
        before_failing.let_go()

        assert done(reporting).status_code == 500
        assert ledger() == expected


# Each copy is seen a second before the one before it.
COPIES = """
WITH copy AS (
    INSERT INTO ingest_report ({columns}, uuid, seen_at)
    SELECT {columns}, gen_random_uuid(), seen_at - number * interval '1 second'
    FROM ingest_report, generate_series(1, %s) number
    RETURNING id, organization_id
)
INSERT INTO ingest_metriccolumn (report_id, {of_columns})
SELECT copy.id, {of_columns_from}
FROM copy JOIN ingest_metriccolumn metric USING (organization_id)
"""


def multiply_report(number: int) -> None:
    """Copy the only report, with earlier and earlier sightings."""
    own = [
        str(field.column)
        for field in Report._meta.concrete_fields
        if field.name not in ("id", "uuid", "seen_at")
    ]
    of = ["organization_id", "iteration", "measure_id", "part", "benchmark_ids"]
    of += ["values", "lower_values", "upper_values"]
    with connection.cursor() as cursor:
        cursor.execute(
            COPIES.format(
                columns=", ".join(own),
                of_columns=", ".join(of),
                of_columns_from=", ".join(f"metric.{name}" for name in of),
            ),
            [number],
        )


@contextmanager
def manage(url: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a management command in a process of its own; it is killed in the end."""
    process = subprocess.Popen(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": url},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


class TestKilled:
    """A second batch waits for a row that the test holds; there the process is killed."""

    COMMANDS = {
        "command": ("rebuild_series_last_seen",),
        "migration": ("migrate", "ingest", "0006_fill_series_last_seen"),
    }

    @pytest.mark.parametrize("name", COMMANDS)
    def test_between_two_batches_it_goes_on_where_it_is_started_again(
        self, committed_db: str, project: Project, post: Post, name: str
    ) -> None:
        now = clock.now()
        assert post(report_body(bmf(2), end_time=now - HOUR)).status_code == 201
        multiply_report(2 * backfill.BATCH)
        # The youngest report has one more series, and is in the last batch.
        assert post(report_body(bmf(3), end_time=now - 2 * HOUR)).status_code == 201
        expected = ledger()
        SeriesLastSeen.objects.exclude(benchmark__name="bench_2").delete()
        if name == "migration":
            MigrationExecutor(connection).migrate([("ingest", "0005_versions_by_hash")])
        command = self.COMMANDS[name]

        held = Pause()

        def hold_last_row() -> None:
            # The last batch would raise this row, and so waits.
            with transaction.atomic():
                SeriesLastSeen.objects.update(last_seen=now - 9 * HOUR)
                held.stop_here()

        holding = begin(hold_last_row)
        held.wait_until_reached()
        with manage(committed_db, *command) as process:
            wait_for_lock_waiters()
            process.send_signal(signal.SIGKILL)
            process.wait()
        held.let_go()
        done(holding)

        assert process.returncode == -signal.SIGKILL
        assert ledger() == expected | {"bench_2": now - 9 * HOUR}
        call_command(*command, verbosity=0)
        assert ledger() == expected
        assert list(backfill.differences(limit=1)) == []
