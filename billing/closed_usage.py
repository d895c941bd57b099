"""What a closed period's statement says of its series, grouped for people. It never changes."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from django.db import connection

from billing.models import Statement
from series import breakdown
from series.breakdown import Breakdown, Part


@dataclass(frozen=True, slots=True)
class Group:
    """The series of a project that reported first on a day, as the statement has them.

    `project_id` is that of the project today; None where it is gone.
    """

    project_id: int | None
    project_uuid: UUID
    project: str
    visibility: str
    deleted: bool
    billed: bool
    day: date
    series: int


_GROUPS = """
SELECT project.id, line.project_uuid, line.project_name, line.project_visibility,
       line.project_deleted, line.billed, line.day, line.series
FROM (
    SELECT project_uuid, project_name, project_visibility, project_deleted, billed,
           (first_seen_at AT TIME ZONE 'UTC')::date AS day, count(*) AS series
    FROM billing_statementline
    WHERE statement_id = %s
    GROUP BY 1, 2, 3, 4, 5, 6
) line
LEFT JOIN series_project project ON project.uuid = line.project_uuid
ORDER BY line.day, line.project_name
"""

_BY_PART = """
SELECT {part}_uuid, {part}_name, project_name, count(*) AS series,
       count(*) OVER (), (sum(count(*)) OVER ())::bigint
FROM billing_statementline
WHERE statement_id = %s AND billed
GROUP BY {part}_uuid, {part}_name, project_name
ORDER BY series DESC, {part}_name, project_name
LIMIT %s
"""


def groups(statement: Statement) -> list[Group]:
    """Return a statement's series by project and by the day of their first report."""
    with connection.cursor() as cursor:
        cursor.execute(_GROUPS, [statement.pk])
        return [Group(*row) for row in cursor.fetchall()]


def by(part: Part, statement: Statement, *, limit: int) -> Breakdown:
    """Break a statement's billed series down."""
    with connection.cursor() as cursor:
        cursor.execute(_BY_PART.format(part=part.value), [statement.pk, limit])
        return breakdown.largest_of(cursor.fetchall())
