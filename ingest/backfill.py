"""Filling the ledger from the reports, and checking it against them.

Restartable and safe while reports come in: each batch is one statement that only ever raises
`last_seen`, and a report that arrives meanwhile writes its own rows.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction

BATCH = 1000

Progress = Callable[[int, int], None]

# Equal arrays are grouped before they are unnested, as in the recount. Sorted keys, so that the
# batch and a report under way wait for each other instead of deadlocking.
FILL = """
WITH batch AS (
    SELECT id, organization_id, project_id, testbed_id, seen_at
    FROM ingest_report
    WHERE id > %(after)s
    ORDER BY id
    LIMIT %(size)s
),
shape AS (
    SELECT batch.organization_id, batch.project_id, batch.testbed_id, metric.measure_id,
           metric.benchmark_ids, max(batch.seen_at) AS last_seen
    FROM batch
    JOIN ingest_metriccolumn metric
      ON metric.organization_id = batch.organization_id AND metric.report_id = batch.id
    GROUP BY batch.organization_id, batch.project_id, batch.testbed_id, metric.measure_id,
             metric.benchmark_ids
),
stored AS (
    INSERT INTO series_last_seen AS ledger
        (organization_id, testbed_id, benchmark_id, measure_id, project_id, last_seen)
    SELECT organization_id, testbed_id, benchmark_id, measure_id, project_id, max(last_seen)
    FROM shape, unnest(benchmark_ids) AS benchmark_id
    GROUP BY organization_id, testbed_id, benchmark_id, measure_id, project_id
    ORDER BY organization_id, testbed_id, benchmark_id, measure_id
    ON CONFLICT (organization_id, testbed_id, benchmark_id, measure_id)
    DO UPDATE SET last_seen = greatest(ledger.last_seen, excluded.last_seen)
    WHERE excluded.last_seen > ledger.last_seen
    RETURNING 1
)
SELECT (SELECT max(id) FROM batch), (SELECT count(*) FROM batch), (SELECT count(*) FROM stored)
"""

_DIFFERENCES = """
WITH reported AS (
    SELECT shape.organization_id, shape.testbed_id, benchmark_id, shape.measure_id,
           max(shape.last_seen) AS last_seen
    FROM (
        SELECT report.organization_id, report.testbed_id, metric.measure_id,
               metric.benchmark_ids, max(report.seen_at) AS last_seen
        FROM ingest_report report
        JOIN ingest_metriccolumn metric
          ON metric.organization_id = report.organization_id AND metric.report_id = report.id
        WHERE report.organization_id = %(organization)s
        GROUP BY report.organization_id, report.testbed_id, metric.measure_id,
                 metric.benchmark_ids
    ) shape, unnest(shape.benchmark_ids) AS benchmark_id
    GROUP BY shape.organization_id, shape.testbed_id, benchmark_id, shape.measure_id
)
SELECT testbed.name, benchmark.name, measure.name, ledger.last_seen, reported.last_seen
FROM reported
FULL JOIN (
    SELECT * FROM series_last_seen WHERE organization_id = %(organization)s
) ledger USING (organization_id, testbed_id, benchmark_id, measure_id)
JOIN series_testbed testbed ON testbed.id = testbed_id
JOIN series_benchmark benchmark ON benchmark.id = benchmark_id
JOIN series_measure measure ON measure.id = measure_id
WHERE ledger.last_seen IS DISTINCT FROM reported.last_seen
  -- A row may outlive the purged report that it comes from.
  AND NOT EXISTS (
      SELECT FROM series_expiredevidence expired
      WHERE expired.organization_id = %(organization)s AND expired.before > ledger.last_seen
        AND (reported.last_seen IS NULL OR reported.last_seen < ledger.last_seen)
  )
ORDER BY testbed.name, benchmark.name, measure.name
LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Filled:
    """How a backfill went: reports read, and ledger rows that were made or raised."""

    reports: int
    rows: int


@dataclass(frozen=True, slots=True)
class Difference:
    """A series whose ledger row is not what its reports say; None where there is none."""

    organization: str
    testbed: str
    benchmark: str
    measure: str
    ledger: datetime | None
    reports: datetime | None


def fill(*, progress: Progress | None = None, after: int = 0) -> Filled:
    """Raise the ledger to what the reports with an id above `after` say, batch by batch."""
    total = _reports_above(after)
    done = rows = 0
    while True:
        with transaction.atomic(durable=True), connection.cursor() as cursor:
            cursor.execute(FILL, {"after": after, "size": BATCH})
            last, read, stored = cursor.fetchone() or (None, 0, 0)
        if last is None:
            return Filled(reports=done, rows=rows)
        after, done, rows = last, done + read, rows + stored
        if progress:
            progress(done, max(total, done))


def differences(*, limit: int, progress: Progress | None = None) -> Iterator[Difference]:
    """Yield the series whose ledger row is not what the reports say, at most `limit` of them.

    One statement and so one snapshot per organization: reports that come in are no difference.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, slug FROM tenancy_organization ORDER BY id")
        organizations = cursor.fetchall()
    for done, (organization, slug) in enumerate(organizations, start=1):
        with connection.cursor() as cursor:
            cursor.execute(_DIFFERENCES, {"organization": organization, "limit": limit})
            found = [Difference(slug, *row) for row in cursor.fetchall()]
        yield from found
        limit -= len(found)
        if limit <= 0:
            return
        if progress:
            progress(done, len(organizations))


def _reports_above(after: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM ingest_report WHERE id > %s", [after])
        row = cursor.fetchone()
    return int(row[0]) if row else 0
