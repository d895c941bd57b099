"""The recount: where CI repeats itself and where it never does, and beside the ledger's count."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from ingest import backfill
from series import counting, recounting
from series.counting import Basis
from series.models import Project
from tests.factories import DEC, JAN
from tests.performance.measuring import Comparison, Progress, Way, compare
from tests.performance.sizes import Sizes
from tests.performance.world import (
    drop_foreign_keys,
    make_names,
    make_private_project,
    make_reports,
    run,
    settle,
)

# What anybody would write first: unnest all, then group.
NAIVE = """
SELECT report.project_id, report.testbed_id, benchmark_id, metric.measure_id,
       min(report.seen_at) AS first_seen, max(report.seen_at) AS last_seen
FROM ingest_report report
JOIN ingest_metriccolumn metric
  ON metric.organization_id = report.organization_id AND metric.report_id = report.id
CROSS JOIN unnest(metric.benchmark_ids) AS benchmark_id
WHERE report.organization_id = %(organization)s
  AND report.seen_at >= %(start)s AND report.seen_at < %(end)s
GROUP BY report.project_id, report.testbed_id, benchmark_id, metric.measure_id
"""
SUMMARY = """
SELECT count(*), min(first_seen), max(first_seen), min(last_seen), max(last_seen)
FROM ({query}) active
"""

Found = tuple[Any, ...]


def benchmark(sizes: Sizes, progress: Progress) -> Iterator[Comparison]:
    """Compare the recount with the naive one, and with the ledger's count."""
    for title, at_random in (("the same", False), ("a random half of the", True)):
        project = make_private_project(f"Acme {title}")
        make_names(project, testbeds=1, benchmarks=1_000, measures=3)
        every = (JAN - DEC) / sizes.recounted
        make_reports(project, sizes.recounted, start=DEC, every=every, at_random=at_random)
        settle("ingest_report", "ingest_metriccolumn")
        what = f"{title} 1,000 benchmarks x 3 measures"
        yield _recount(project, f"{sizes.recounted} reports of {what}", JAN, sizes, progress)
        if not at_random:
            yield _recount(project, f"one report of {what}", DEC + every, sizes, progress)
    for series in sizes.ledgers:
        yield _count(series, sizes, progress)


def _recount(
    project: Project, what: str, end: datetime, sizes: Sizes, progress: Progress
) -> Comparison:
    ways = {
        "unnest all, then group": NAIVE,
        "recount": recounting.queries().series,
        "recount with the reports' ids, as close reads it": recounting.queries().with_reports,
    }
    found = {_summary(query, project, end) for query in ways.values()}
    assert len(found) == 1, "the recounts differ"
    return compare(
        f"recount of {what}",
        [Way(name, partial(_again, query, project, end)) for name, query in ways.items()],
        rounds=sizes.recount_rounds,
        progress=progress,
    )


def _again(query: str, project: Project, end: datetime, _: object) -> None:
    _summary(query, project, end)


def _summary(query: str, project: Project, end: datetime) -> Found:
    (found,) = run(
        SUMMARY.format(query=query), organization=project.organization_id, start=DEC, end=end
    )
    return found


def _count(series: int, sizes: Sizes, progress: Progress) -> Comparison:
    project = make_private_project(f"Acme {series}")
    make_names(project, testbeds=10, benchmarks=series // 100, measures=10)
    make_reports(project, 3, start=DEC, every=timedelta(days=10))
    drop_foreign_keys("series_last_seen")
    backfill.fill()
    settle("ingest_report", "ingest_metriccolumn", "series_last_seen")
    organization, basis = project.organization_id, Basis.PRIVATE
    count = partial(counting.count_active, organization, start=DEC, end=JAN, basis=basis)
    recount = partial(recounting.recount, organization, start=DEC, end=JAN, basis=basis)
    assert count().billed == recount().billed == series, "count and recount differ"
    return compare(
        f"count of {series:,} series",
        [
            Way("count, from the ledger", lambda _: count()),
            Way("recount, from three reports of each testbed", lambda _: recount()),
        ],
        rounds=sizes.recount_rounds * 2,
        progress=progress,
        amount=series,
        unit="series",
    )
