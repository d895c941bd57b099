"""Closing a period, explaining what it billed, and filling a ledger from the reports."""

from collections.abc import Iterator
from datetime import timedelta
from functools import partial

from billing import close, explaining
from billing.explained_pages import Source
from billing.explaining import Subject, Wanted
from billing.models import BillingPeriod
from ingest import backfill
from series import recounting
from series.counting import Basis
from series.models import Project
from tests.factories import DEC, JAN, make_period, make_plan
from tests.performance.measuring import Comparison, Progress, Way, compare
from tests.performance.sizes import Sizes
from tests.performance.world import (
    make_names,
    make_private_project,
    make_reports,
    run,
    settle,
)

DAY = timedelta(days=1)
CLOSED = 10_000


def close_period(sizes: Sizes, progress: Progress) -> Iterator[Comparison]:
    """Compare closing a period of 10,000 series with its recount alone."""
    project = make_private_project("Acme")
    make_names(project, testbeds=1, benchmarks=CLOSED // 10, measures=10)
    plan = make_plan(project.organization)
    # As many periods in a row as are closed, one for the round that warms up.
    start = DEC - 30 * DAY * (sizes.closes + 1)
    periods = [
        make_period(plan, starts_at=start + 30 * DAY * n, ends_at=start + 30 * DAY * (n + 1))
        for n in range(sizes.closes + 1)
    ]
    make_reports(project, 30 * len(periods), start=start, every=DAY)
    backfill.fill()
    settle("ingest_report", "ingest_metriccolumn", "series_last_seen")
    to_close = iter(periods)

    def closed(period: BillingPeriod) -> None:
        assert close.close(period.pk, now=JAN).total_series == CLOSED

    yield compare(
        f"close of a period of {CLOSED:,} series and 30 reports",
        [
            Way("recount alone", partial(_recount, project), prepare=lambda: periods[0]),
            Way("close", closed, prepare=lambda: next(to_close)),
        ],
        rounds=sizes.closes,
        progress=progress,
        amount=CLOSED,
        unit="series",
    )


def _recount(project: Project, period: BillingPeriod) -> None:
    counted = recounting.recount(
        project.organization_id,
        start=period.starts_at,
        end=period.ends_at,
        basis=Basis.PRIVATE,
    )
    assert counted.billed == CLOSED


def explain(sizes: Sizes, progress: Progress) -> Iterator[Comparison]:
    """Compare the first page of an explanation with one far behind it, open and closed."""
    project = make_private_project("Acme")
    make_names(project, testbeds=10, benchmarks=sizes.explained // 100, measures=10)
    period = make_period(make_plan(project.organization), starts_at=DEC, ends_at=JAN)
    make_reports(project, 30, start=DEC, every=DAY)
    backfill.fill()
    settle("ingest_report", "ingest_metriccolumn", "series_last_seen")
    organization = project.organization
    yield _pages(explaining.subject(organization, start=DEC, now=DEC + 29 * DAY), sizes, progress)
    yield _pages(explaining.subject(organization, start=DEC, now=JAN), sizes, progress)
    close.close(period.pk, now=JAN)
    settle("billing_statementline")
    yield _pages(explaining.subject(organization, start=DEC, now=JAN), sizes, progress)


_FROM = {
    Source.LEDGER: "ledger, period open",
    Source.REPORTS: "reports, period ended",
    Source.STATEMENT: "statement, period closed",
}


def _pages(of: Subject, sizes: Sizes, progress: Progress) -> Comparison:
    def page(cursor: str) -> None:
        rows, _ = explaining.page(of, Wanted(), cursor=cursor, limit=100)
        assert len(rows) == 100

    return compare(
        f"explain, a page of 100 of {sizes.explained:,} series, from the {_FROM[of.source]}",
        [
            Way("first page", lambda _: page("")),
            Way("page at nine tenths", page, prepare=partial(_deep, of, sizes.explained * 9 // 10)),
        ],
        rounds=sizes.pages if of.source is not Source.REPORTS else 3,
        progress=progress,
    )


_AT = {
    Source.STATEMENT: """
        SELECT testbed_uuid, benchmark_uuid, measure_uuid FROM billing_statementline
        WHERE statement_id = %(statement)s
        ORDER BY testbed_uuid, benchmark_uuid, measure_uuid OFFSET %(skipped)s LIMIT 1
    """,
}
_AT_LEDGER = """
    SELECT testbed.uuid, benchmark.uuid, measure.uuid FROM series_last_seen ledger
    JOIN series_testbed testbed ON testbed.id = ledger.testbed_id
    JOIN series_benchmark benchmark ON benchmark.id = ledger.benchmark_id
    JOIN series_measure measure ON measure.id = ledger.measure_id
    WHERE ledger.organization_id = %(organization)s
    ORDER BY ledger.testbed_id, ledger.benchmark_id, ledger.measure_id OFFSET %(skipped)s LIMIT 1
"""


def _deep(of: Subject, skipped: int) -> str:
    """Return the cursor behind that many series."""
    (key,) = run(
        _AT.get(of.source, _AT_LEDGER),
        organization=of.organization_id,
        statement=of.statement and of.statement.pk,
        skipped=skipped,
    )
    return ".".join(map(str, (of.source, *key)))


# What anybody would write first: no batches, and each array unnested.
NAIVE_FILL = """
INSERT INTO series_last_seen AS ledger
    (organization_id, testbed_id, benchmark_id, measure_id, project_id, last_seen)
SELECT report.organization_id, report.testbed_id, benchmark_id, metric.measure_id,
       report.project_id, max(report.seen_at)
FROM ingest_report report
JOIN ingest_metriccolumn metric ON metric.report_id = report.id
CROSS JOIN unnest(metric.benchmark_ids) AS benchmark_id
GROUP BY report.organization_id, report.testbed_id, benchmark_id, metric.measure_id,
         report.project_id
ON CONFLICT (organization_id, testbed_id, benchmark_id, measure_id)
DO UPDATE SET last_seen = greatest(ledger.last_seen, excluded.last_seen)
"""


def fill(sizes: Sizes, progress: Progress) -> Iterator[Comparison]:
    """Compare filling an empty ledger with a naive way, and with going over a full one."""
    project = make_private_project("Acme")
    make_names(project, testbeds=1, benchmarks=1_000, measures=3)
    make_reports(project, sizes.backfilled, start=DEC, every=timedelta(minutes=30))
    settle("ingest_report", "ingest_metriccolumn")
    empty = partial(run, "TRUNCATE series_last_seen")
    yield compare(
        f"backfill from {sizes.backfilled} reports of 1,000 benchmarks x 3 measures",
        [
            Way("one statement that unnests all", lambda _: run(NAIVE_FILL), prepare=empty),
            Way("backfill of an empty ledger", lambda _: backfill.fill(), prepare=empty),
            Way("backfill of a full one", lambda _: backfill.fill(), prepare=backfill.fill),
        ],
        rounds=sizes.backfill_rounds,
        progress=progress,
        amount=sizes.backfilled,
        unit="reports",
    )
