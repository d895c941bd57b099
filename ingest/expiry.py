"""Purging deleted reports once nobody needs them as evidence any more.

Reports that are still shown stay, however old. Nothing can be reported into what is purged: it
lies before the fence.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction

BATCH = 500

_HIDDEN = """
FROM ingest_report
WHERE organization_id = %(organization)s AND seen_at < %(before)s AND deleted_at IS NOT NULL
"""

# Rows that another purge holds are that one's. Both deletes see one snapshot, and the foreign key
# between them is checked at the commit.
_PURGE = f"""
WITH batch AS (
    SELECT id {_HIDDEN} ORDER BY seen_at LIMIT %(size)s FOR UPDATE SKIP LOCKED
),
columns AS (
    DELETE FROM ingest_metriccolumn metric USING batch
    WHERE metric.organization_id = %(organization)s AND metric.report_id = batch.id
    RETURNING 1
),
reports AS (
    DELETE FROM ingest_report report USING batch
    WHERE report.organization_id = %(organization)s AND report.id = batch.id
    RETURNING 1
)
SELECT (SELECT count(*) FROM reports), (SELECT count(*) FROM columns)
"""  # noqa: S608 - expressions of our own code

_DUE = f"""
SELECT (SELECT count(*) {_HIDDEN}),
       (SELECT count(*) FROM ingest_metriccolumn
        WHERE organization_id = %(organization)s AND report_id IN (SELECT id {_HIDDEN}))
"""  # noqa: S608 - expressions of our own code


@dataclass(frozen=True, slots=True)
class Purged:
    """How many reports, and columns of theirs, went or would go."""

    reports: int
    columns: int


def due(organization_id: int, *, before: datetime) -> Purged:
    """Return what purging would remove, removing nothing."""
    return _run(_DUE, organization_id, before)


def purge(organization_id: int, *, before: datetime) -> Iterator[Purged]:
    """Remove the deleted reports that count before an instant; yields each batch, once committed.

    May be stopped and started again at any time.
    """
    while True:
        with transaction.atomic(durable=True):
            gone = _run(_PURGE, organization_id, before)
        if not gone.reports:
            return
        yield gone


def _run(sql: str, organization_id: int, before: datetime) -> Purged:
    with connection.cursor() as cursor:
        cursor.execute(sql, {"organization": organization_id, "before": before, "size": BATCH})
        row = cursor.fetchone()
    assert row is not None
    return Purged(*row)
