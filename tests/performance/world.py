"""What the benchmarks are about, made in bulk: names, reports, ledgers. Only ever in a clone."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
from django.db import connection, transaction

from bencher import clock
from ingest import reports, wire
from ingest.reports import Accepted
from series.models import Benchmark, Measure, Project, Testbed, Visibility
from tests.factories import bmf, make_organization, make_project, make_user, report_body

MEASURES = ("latency", "throughput", "Memory Peak")


def run(sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
    """Run a statement and return its rows, if it has any."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters or None)
        return cursor.fetchall() if cursor.description else []


def make_private_project(name: str) -> Project:
    """Create an organization of that name with a private project."""
    organization = make_organization(name, leader=make_user(name.lower()))
    return make_project("Engine", organization=organization, visibility=Visibility.PRIVATE)


def body(benchmarks: int, measures: int, *, prefix: str = "bench") -> bytes:
    """Return the body of a report of that shape that ends now."""
    results = bmf(benchmarks, measures=MEASURES[:measures], prefix=prefix)
    return msgspec.json.encode(report_body(results, end_time=clock.now()))


def accept(project: Project, sent: bytes) -> Accepted:
    """Accept a report as the endpoint does, from the body's bytes to the commit."""
    payload = wire.decode(sent)
    return reports.accept(
        reports.submission(project=project, payload=payload, body=sent, user=None),
        now=clock.now(),
    )


_NAMES = """
INSERT INTO {table} (uuid, project_id, name, slug, created_at, modified_at{more})
SELECT gen_random_uuid(), %(project)s, 'n' || n, 'n' || n, %(at)s, %(at)s{units}
FROM generate_series(1, %(number)s) n
"""


def make_names(project: Project, *, testbeds: int, benchmarks: int, measures: int) -> None:
    """Create that many testbeds, benchmarks and measures."""
    for model, number in ((Testbed, testbeds), (Benchmark, benchmarks), (Measure, measures)):
        units = model is Measure
        sql = _NAMES.format(
            table=model._meta.db_table,
            more=", units" if units else "",
            units=", 'ns'" if units else "",
        )
        run(sql, project=project.pk, number=number, at=clock.now())


_REPORTS = """
INSERT INTO ingest_report
    (uuid, organization_id, project_id, head_id, version_id, testbed_id, adapter, start_time,
     end_time, received_at, seen_at, idempotency_key, body_hash)
SELECT gen_random_uuid(), first.organization_id, first.project_id, first.head_id,
       first.version_id, testbed.id, first.adapter, seen.at, seen.at, seen.at, seen.at, '',
       first.body_hash
FROM ingest_report first
JOIN series_testbed testbed ON testbed.project_id = first.project_id AND testbed.name LIKE 'n%%'
CROSS JOIN generate_series(0, %(number)s - 1) n
CROSS JOIN LATERAL (SELECT %(start)s::timestamptz + n * %(every)s::interval AS at) seen
WHERE first.id = (SELECT min(id) FROM ingest_report WHERE project_id = %(project)s)
RETURNING id
"""

# The benchmarks of a report; the reference to it makes them differ from report to report.
_SUBSET = "SELECT * FROM series_benchmark WHERE random() < 0.5 AND report.id IS NOT NULL"

_METRIC_COLUMNS = """
INSERT INTO ingest_metriccolumn
    (organization_id, report_id, iteration, measure_id, part, benchmark_ids, values,
     lower_values, upper_values)
SELECT report.organization_id, report.id, 0, measure.id, shape.part, shape.ids, shape.numbers,
       shape.nothing, shape.nothing
FROM ingest_report report
CROSS JOIN LATERAL (
    SELECT part, array_agg(id ORDER BY id) AS ids, array_agg(random() ORDER BY id) AS numbers,
           array_agg(NULL::float8) AS nothing
    FROM (
        SELECT id, (row_number() OVER (ORDER BY id) - 1) / 1000 AS part
        FROM ({benchmarks}) benchmark
        WHERE project_id = %(project)s AND name LIKE 'n%%'
    ) numbered
    GROUP BY part
) shape
JOIN series_measure measure ON measure.project_id = report.project_id AND measure.name LIKE 'n%%'
WHERE report.id = ANY(%(reports)s::bigint[])
"""


def make_reports(
    project: Project, number: int, *, start: datetime, every: timedelta, at_random: bool = False
) -> None:
    """Store that many reports of each testbed: of all benchmarks, or of half of them at random.

    Only the reports: the ledger is left as it is.
    """
    if not project.reports.exists():
        # What belongs to a report besides, such as its branch, is made as always; its own series
        # must not count.
        first = accept(project, body(1, 1)).report
        run("DELETE FROM ingest_metriccolumn WHERE report_id = %(report)s", report=first.pk)
        run(
            "DELETE FROM series_last_seen WHERE organization_id = %(organization)s",
            organization=project.organization_id,
        )
    with transaction.atomic():
        made = run(_REPORTS, project=project.pk, number=number, start=start, every=every)
        run(
            _METRIC_COLUMNS.format(benchmarks=_SUBSET if at_random else "TABLE series_benchmark"),
            project=project.pk,
            reports=[id for (id,) in made],
        )


def drop_foreign_keys(table: str) -> None:
    """Let a table be filled by the million; only where its keys are not what is measured."""
    names = run(
        "SELECT conname FROM pg_constraint WHERE conrelid = %(table)s::regclass AND contype = 'f'",
        table=table,
    )
    for (name,) in names:
        run(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')


def settle(*tables: str) -> None:
    """Vacuum and analyze, as autovacuum will have done in a service that runs."""
    for table in tables:
        run(f"VACUUM ANALYZE {table}")
