"""What a report measured, a page at a time, in the order of iterations and names."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection

from ingest.models import Report

# Of a wide report only the page's names and values leave the database.
_PAGE = """
SELECT iteration, benchmark.uuid, benchmark.name, measure.name, measure.units,
       measured.value, measured.lower_value, measured.upper_value, count(*) OVER ()
FROM ingest_metriccolumn metric
CROSS JOIN LATERAL unnest(metric.benchmark_ids, metric.values, metric.lower_values,
                          metric.upper_values)
    AS measured (benchmark_id, value, lower_value, upper_value)
JOIN series_benchmark benchmark ON benchmark.id = measured.benchmark_id
JOIN series_measure measure ON measure.id = metric.measure_id
WHERE metric.organization_id = %(organization)s AND metric.report_id = %(report)s
  AND (%(benchmark)s::uuid IS NULL OR benchmark.uuid = %(benchmark)s)
ORDER BY iteration, benchmark.name, measure.name
LIMIT %(limit)s OFFSET %(offset)s
"""


@dataclass(frozen=True, slots=True)
class Metric:
    """One measured value with its bounds; empty once the report was deleted."""

    iteration: int
    benchmark_uuid: UUID
    benchmark: str
    measure: str
    units: str
    value: float | None
    lower_value: float | None
    upper_value: float | None


def page(
    report: Report, *, benchmark: UUID | None, number: int, size: int
) -> tuple[list[Metric], int]:
    """Return a page of a report's metrics and how many there are in all; pages begin with 1.

    Of one benchmark where its UUID is given. A page past the last is empty, and has no total.
    """
    parameters: dict[str, Any] = {
        "organization": report.organization_id,
        "report": report.pk,
        "benchmark": benchmark,
        "limit": size,
        "offset": (number - 1) * size,
    }
    with connection.cursor() as cursor:
        cursor.execute(_PAGE, parameters)
        rows = cursor.fetchall()
    return [Metric(*row[:-1]) for row in rows], rows[0][-1] if rows else 0
