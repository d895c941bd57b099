"""Deleting a report: it is hidden and its values are gone; that it was sent stays provable.

Version numbers stay as they are, although Bencher counts them down: they were given out in links
and answers, heads share them, and a number that later means another commit would be a wrong one.
"""

from datetime import datetime

from django.db import connection, transaction

from ingest.models import Report

# The series of a report are its testbed, measures and benchmark ids at `seen_at`: they prove
# what was billed and are kept. What was measured is not needed for that.
_EMPTY = """
UPDATE ingest_metriccolumn
SET values = array_fill(NULL::float8, ARRAY[cardinality(benchmark_ids)]),
    lower_values = array_fill(NULL::float8, ARRAY[cardinality(benchmark_ids)]),
    upper_values = array_fill(NULL::float8, ARRAY[cardinality(benchmark_ids)])
WHERE organization_id = %s AND report_id = %s
"""


def delete(report: Report, *, now: datetime) -> bool:
    """Hide a report and empty its values; False where it is deleted already.

    Nothing that is counted changes: neither the ledger nor the recount.
    """
    with transaction.atomic(durable=True):
        living = Report.objects.filter(pk=report.pk, deleted_at=None)
        if not living.update(deleted_at=now):
            return False
        with connection.cursor() as cursor:
            cursor.execute(_EMPTY, [report.organization_id, report.pk])
    return True
