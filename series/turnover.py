"""Which series are new to an organization and which may be about to stop, a few of each by name."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from series import counting
from series.counting import ActiveCount, Basis


@dataclass(frozen=True, slots=True)
class Named:
    """A series by its names, and when it was last seen."""

    project: str
    testbed: str
    benchmark: str
    measure: str
    last_seen: datetime


@dataclass(frozen=True, slots=True)
class NewName:
    """A testbed, benchmark or measure (`kind`) that was first reported at an instant."""

    kind: str
    name: str
    project: str
    created_at: datetime


_NAMED = """
SELECT project.name, testbed.name, benchmark.name, measure.name, found.last_seen
FROM ({found}) found
JOIN series_project project ON project.id = found.project_id
JOIN series_testbed testbed ON testbed.id = found.testbed_id
JOIN series_benchmark benchmark ON benchmark.id = found.benchmark_id
JOIN series_measure measure ON measure.id = found.measure_id
"""

_BILLED = """
project_id IN (
    SELECT id FROM series_project
    WHERE organization_id = %(organization)s AND deleted_at IS NULL
      AND (%(basis)s = 'all' OR visibility = 'private')
)
"""

# In the order of the index that the count reads, so that it stops after the first few.
_LONGEST_UNSEEN = f"""
SELECT * FROM series_last_seen
WHERE organization_id = %(organization)s AND last_seen >= %(start)s AND last_seen < %(end)s
  AND {_BILLED}
ORDER BY last_seen LIMIT %(limit)s
"""  # noqa: S608 - constants of this module

# What is new has a name that is new, be it only one of the three.
_NEWEST = " UNION ALL ".join(
    f"""
    (SELECT '{kind}' AS kind, entity.name, project.name AS project, entity.created_at
     FROM series_{kind} entity
     JOIN series_project project ON project.id = entity.project_id
     WHERE {_BILLED} AND entity.created_at >= %(start)s
     ORDER BY entity.created_at DESC, entity.id DESC LIMIT %(limit)s)
    """  # noqa: S608 - constants of this module
    for kind in ("testbed", "benchmark", "measure")
)


def unseen(organization_id: int, *, start: datetime, end: datetime, basis: Basis) -> ActiveCount:
    """Count the series last seen in [start, end), an ended period: they have not reported since.

    This is no count of that period, whose other series have moved on in the ledger.
    """
    return counting.count_active(organization_id, start=start, end=end, basis=basis)


def longest_unseen(
    organization_id: int, *, start: datetime, end: datetime, basis: Basis, limit: int
) -> tuple[Named, ...]:
    """Return the billed series last seen in [start, end), beginning with the longest ago."""
    sql = f"{_NAMED.format(found=_LONGEST_UNSEEN)} ORDER BY found.last_seen, benchmark.name"
    found = _rows(
        sql, organization=organization_id, start=start, end=end, basis=basis.value, limit=limit
    )
    return tuple(Named(*row) for row in found)


def newest_names(
    organization_id: int, *, start: datetime, basis: Basis, limit: int
) -> tuple[NewName, ...]:
    """Return what was first reported by a billed project since an instant, newest first."""
    found = _rows(
        f"{_NEWEST} ORDER BY created_at DESC, kind DESC, name LIMIT %(limit)s",
        organization=organization_id,
        start=start,
        basis=basis.value,
        limit=limit,
    )
    return tuple(NewName(*row) for row in found)


def _rows(sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
