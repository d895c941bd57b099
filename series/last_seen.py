"""Recording when series were last seen."""

from collections.abc import Sequence
from datetime import datetime

from django.db import connection
from django.db.models import Max

from bencher.db import transaction_required
from series.models import SeriesLastSeen

# Sorted keys: two reports with the same series in opposite orders wait instead of deadlocking.
# A row that would not rise is locked and not written. xmax is 0 only on rows this call inserted.
_RECORD = """
WITH seen AS (
    INSERT INTO series_last_seen AS ledger
        (organization_id, testbed_id, benchmark_id, measure_id, project_id, last_seen)
    SELECT %(organization)s, %(testbed)s, benchmark_id, measure_id, %(project)s, %(at)s
    FROM unnest(%(benchmarks)s::bigint[], %(measures)s::bigint[]) AS t (benchmark_id, measure_id)
    ORDER BY benchmark_id, measure_id
    ON CONFLICT (organization_id, testbed_id, benchmark_id, measure_id)
    DO UPDATE SET last_seen = greatest(ledger.last_seen, excluded.last_seen)
    WHERE excluded.last_seen > ledger.last_seen
    RETURNING (xmax = 0) AS is_new
)
SELECT count(*) FILTER (WHERE is_new) FROM seen
"""


_SEEN = """
SELECT ledger.benchmark_id, ledger.measure_id
FROM unnest(%(benchmarks)s::bigint[], %(measures)s::bigint[]) AS t (benchmark_id, measure_id)
JOIN series_last_seen ledger USING (benchmark_id, measure_id)
WHERE ledger.organization_id = %(organization)s AND ledger.testbed_id = %(testbed)s
"""


def _literal(ids: Sequence[int]) -> str:
    # One string instead of a list: psycopg's list dumper costs more than the statement.
    return "{" + ",".join(map(str, ids)) + "}"


@transaction_required
def record(
    *,
    organization_id: int,
    project_id: int,
    testbed_id: int,
    benchmark_ids: Sequence[int],
    measure_ids: Sequence[int],
    at: datetime,
) -> int:
    """Note that the series (testbed, benchmark_ids[i], measure_ids[i]) were seen at an instant.

    Pairs must be distinct. Call it last in the transaction, so that the row locks are short.
    Returns how many of them were new.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _RECORD,
            {
                "organization": organization_id,
                "project": project_id,
                "testbed": testbed_id,
                "benchmarks": _literal(benchmark_ids),
                "measures": _literal(measure_ids),
                "at": at,
            },
        )
        row = cursor.fetchone()
    assert row is not None
    return int(row[0])


def seen(
    *, organization_id: int, testbed_id: int, pairs: Sequence[tuple[int, int]]
) -> set[tuple[int, int]]:
    """Return which (benchmark, measure) pairs of a testbed were ever seen. Locks nothing."""
    with connection.cursor() as cursor:
        cursor.execute(
            _SEEN,
            {
                "organization": organization_id,
                "testbed": testbed_id,
                "benchmarks": _literal([benchmark for benchmark, _ in pairs]),
                "measures": _literal([measure for _, measure in pairs]),
            },
        )
        return {(benchmark, measure) for benchmark, measure in cursor.fetchall()}


def by_project(organization_id: int) -> dict[int, datetime]:
    """Return when any series of each project was last seen; a project without series is left out.

    One scan of the index that the count reads.
    """
    found = (
        SeriesLastSeen.objects.filter(organization_id=organization_id)
        .values_list("project_id")
        .annotate(latest=Max("last_seen"))
    )
    return dict(found)
