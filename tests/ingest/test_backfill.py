"""Filling the ledger from the reports, and checking it against them."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command

from bencher import clock
from ingest import backfill
from ingest.models import Report
from series.models import SeriesLastSeen
from tests.factories import bmf, report_body
from tests.ingest.conftest import Post

pytestmark = pytest.mark.django_db


def ledger() -> dict[tuple[str, str, str], object]:
    rows = SeriesLastSeen.objects.values_list(
        "testbed__name", "benchmark__name", "measure__name", "last_seen"
    )
    return {(testbed, name, measure): at for testbed, name, measure, at in rows}


def history(post: Post) -> None:
    now = clock.now()
    for hours, testbed, benchmarks in [(9, "ci", 3), (1, "ci", 2), (5, "lab", 4), (7, "ci", 4)]:
        body = report_body(
            bmf(benchmarks, measures=("latency", "throughput")),
            bmf(1),
            end_time=now - timedelta(hours=hours),
            testbed=testbed,
        )
        assert post(body).status_code == 201


class TestFill:
    def test_makes_exactly_what_the_write_path_made(
        self, post: Post, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        history(post)
        written = ledger()
        SeriesLastSeen.objects.all().delete()
        monkeypatch.setattr(backfill, "BATCH", 3)
        seen: list[tuple[int, int]] = []

        filled = backfill.fill(progress=lambda *step: seen.append(step))

        assert ledger() == written
        assert filled.reports == 4
        assert filled.rows >= len(written), "a row may be raised by a later batch"
        assert seen == [(3, 4), (4, 4)]

    def test_counts_deleted_reports_too(self, post: Post) -> None:
        history(post)
        written = ledger()
        Report.objects.update(deleted_at=clock.now())
        SeriesLastSeen.objects.all().delete()

        backfill.fill()

        assert ledger() == written

    def test_never_lowers_a_row(self, post: Post) -> None:
        history(post)
        later = clock.now()
        SeriesLastSeen.objects.filter(benchmark__name="bench_0").update(last_seen=later)

        backfill.fill()

        assert ledger()[("ci", "bench_0", "Latency")] == later

    def test_continues_where_it_stopped(self, post: Post) -> None:
        history(post)
        written = ledger()
        SeriesLastSeen.objects.all().delete()
        first = Report.objects.order_by("id")[1].pk
        backfill.fill(after=first)
        assert ledger() != written

        backfill.fill()

        assert ledger() == written

    def test_twice_writes_nothing_more(self, post: Post) -> None:
        history(post)

        assert backfill.fill() == backfill.Filled(reports=4, rows=0)


class TestCommand:
    def test_check_finds_nothing_where_nothing_differs(self, post: Post) -> None:
        history(post)
        out = StringIO()

        call_command("rebuild_series_last_seen", "--check", stdout=out)

        assert "what the reports say" in out.getvalue()

    @pytest.mark.parametrize("change", ["missing", "too low", "too high"])
    def test_check_reports_each_difference_and_exits_1(self, post: Post, change: str) -> None:
        history(post)
        row = SeriesLastSeen.objects.filter(
            testbed__name="ci", benchmark__name="bench_1", measure__name="Latency"
        )
        if change == "missing":
            row.delete()
        else:
            by = timedelta(microseconds=1 if change == "too high" else -1)
            row.update(last_seen=row.get().last_seen + by)
        out = StringIO()

        with pytest.raises(SystemExit, match="1"):
            call_command("rebuild_series_last_seen", "--check", stdout=out)

        assert "acme: ci / bench_1 / Latency" in out.getvalue()
        assert "1 series differ" in out.getvalue()

    def test_fills(self, post: Post) -> None:
        history(post)
        SeriesLastSeen.objects.all().delete()
        out = StringIO()

        call_command("rebuild_series_last_seen", stdout=out)

        assert "4 reports read, 16 rows made or raised" in out.getvalue()
