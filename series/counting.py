"""Counting the active series of an open period from the ledger."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.db import connection

from bencher import clock


class Basis(StrEnum):
    """Which projects are billed: private ones, or all."""

    PRIVATE = "private"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class ProjectCount:
    """The active series of one project."""

    project_id: int
    name: str
    slug: str
    visibility: str
    deleted: bool
    billed: bool
    series: int


@dataclass(frozen=True, slots=True)
class ActiveCount:
    """How many series were active, and the instant of the statement that counted them."""

    billed: int
    projects: tuple[ProjectCount, ...]
    counted_at: datetime


def active_sql(
    *, organization: str, start: str, end: str, basis: str, without: str = "false"
) -> str:
    """Return the one way in which active series are counted, as a SELECT of (billed).

    The arguments are SQL expressions. One range scan of the covering index, grouped by project;
    visibility is looked at only for the few groups, outside the aggregate, in the same snapshot.
    A simulation leaves rows out by `without`, a condition on the ledger's columns.
    """
    return f"""
    SELECT coalesce(sum(seen.series), 0)::bigint AS billed
    FROM (
        SELECT project_id, count(*) AS series
        FROM series_last_seen
        WHERE organization_id = {organization} AND last_seen >= {start} AND last_seen < {end}
          AND NOT ({without})
        GROUP BY project_id
    ) seen
    JOIN series_project project ON project.id = seen.project_id
    WHERE project.deleted_at IS NULL AND ({basis} = 'all' OR project.visibility = 'private')
    """  # noqa: S608 - expressions of our own code


def held_sql(*, organization: str, start: str, end: str) -> str:
    """Return a SELECT of (series): all that the ledger holds for a period, billed or not.

    Null where it can't answer any more: rows that moved past the end took their sighting within
    the period along. The arguments are SQL expressions.
    """
    return f"""
    SELECT CASE WHEN count(*) FILTER (WHERE last_seen >= {end}) = 0 THEN count(*) END AS series
    FROM series_last_seen
    WHERE organization_id = {organization} AND last_seen >= {start}
    """  # noqa: S608 - expressions of our own code


_BY_PROJECT = """
SELECT project.id, project.name, project.slug, project.visibility, project.deleted_at IS NOT NULL,
       project.deleted_at IS NULL AND (%(basis)s = 'all' OR project.visibility = 'private'),
       seen.series
FROM (
    SELECT project_id, count(*) AS series
    FROM series_last_seen
    WHERE organization_id = %(organization)s
      AND last_seen >= %(start)s AND last_seen < %(end)s
    GROUP BY project_id
) seen
JOIN series_project project ON project.id = seen.project_id
ORDER BY seen.series DESC, project.name
"""


def count_active(
    organization_id: int, *, start: datetime, end: datetime, basis: Basis
) -> ActiveCount:
    """Count the series seen in [start, end), for an open period.

    An ended period must be recounted instead: the ledger's rows have moved on (design rule 10).
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {clock.sql()} AS counted_at, found.*"  # noqa: S608 - our own expressions
            f" FROM (SELECT 1) one LEFT JOIN ({_BY_PROJECT}) found ON true",
            {"organization": organization_id, "start": start, "end": end, "basis": basis.value},
        )
        rows = cursor.fetchall()
    projects = tuple(ProjectCount(*row[1:]) for row in rows if row[1] is not None)
    return ActiveCount(
        billed=sum(project.series for project in projects if project.billed),
        projects=projects,
        counted_at=rows[0][0],
    )
