"""Which testbeds and which measures the billed series of an open period belong to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from django.db import connection

from series.counting import Basis


class Part(StrEnum):
    """What a count is broken down by; the value is the dimension's column."""

    PROJECT = "project"
    TESTBED = "testbed"
    MEASURE = "measure"


@dataclass(frozen=True, slots=True)
class Share:
    """The billed series of one testbed or measure. Names are unique only within a project."""

    uuid: UUID
    name: str
    project: str
    series: int


@dataclass(frozen=True, slots=True)
class Breakdown:
    """The largest shares of a count, and how many more there are with how many series."""

    largest: tuple[Share, ...]
    others: int
    others_series: int


# Visibility and names are read for the few groups, outside the aggregate.
_BY_PART = """
SELECT uuid, name, project, series, number, total
FROM (
    SELECT entity.uuid, entity.name, project.name AS project, seen.series,
           count(*) OVER () AS number, (sum(seen.series) OVER ())::bigint AS total,
           row_number() OVER (ORDER BY seen.series DESC, entity.name, project.name, entity.id)
               AS place
    FROM (
        SELECT project_id, {part}_id AS id, count(*) AS series
        FROM series_last_seen
        WHERE organization_id = %(organization)s
          AND last_seen >= %(start)s AND last_seen < %(end)s
        GROUP BY project_id, {part}_id
    ) seen
    JOIN series_project project ON project.id = seen.project_id
    JOIN series_{part} entity ON entity.id = seen.id
    WHERE project.deleted_at IS NULL AND (%(basis)s = 'all' OR project.visibility = 'private')
      AND (strpos(lower(entity.name || E'\\n' || project.name), lower(%(search)s)) > 0
           OR entity.uuid = ANY(%(including)s::uuid[]))
) part
WHERE place <= %(limit)s OR uuid = ANY(%(including)s::uuid[])
ORDER BY place
"""


def by(
    part: Part,
    organization_id: int,
    *,
    start: datetime,
    end: datetime,
    basis: Basis,
    limit: int,
    search: str = "",
    including: Sequence[UUID] = (),
) -> Breakdown:
    """Break the billed series seen in [start, end) down, for an open period.

    A search leaves only those with that text in their own or their project's name. `including`
    are among the largest, and found, wherever they would be.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _BY_PART.format(part=part.value),
            {
                "organization": organization_id,
                "start": start,
                "end": end,
                "basis": basis.value,
                "limit": limit,
                "search": search,
                "including": list(including),
            },
        )
        return largest_of(cursor.fetchall())


def largest_of(rows: list[tuple[UUID, str, str, int, int, int]]) -> Breakdown:
    """Return the breakdown of shares that each carry the number and the sum of all of them."""
    shares = tuple(Share(*row[:4]) for row in rows)
    number, series = rows[0][4:] if rows else (0, 0)
    return Breakdown(
        largest=shares,
        others=number - len(shares),
        others_series=series - sum(share.series for share in shares),
    )
