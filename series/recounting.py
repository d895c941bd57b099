"""Where the recount comes from: `ingest` reads reports and registers its query here.

Series knows neither ingest nor billing; this is the seam through which billing gets a proof that
is independent of the ledger.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from series.counting import Basis, ProjectCount


@dataclass(frozen=True, slots=True)
class Queries:
    """The recount as SQL, with %(organization)s, %(start)s and %(end)s.

    One row per series that reported in [start, end), of any project, from reports and metric
    columns only: project_id, testbed_id, benchmark_id, measure_id, first_seen and last_seen;
    `with_reports` adds first_report_uuid and last_report_uuid.
    """

    series: str
    with_reports: str


_registered: list[Queries] = []


def register(*, series: str, with_reports: str) -> None:
    """Make two queries the recount; `ingest` does so when it starts."""
    _registered[:] = [Queries(series=series, with_reports=with_reports)]


def queries() -> Queries:
    """Return the registered queries, to be read from in a larger statement and so one snapshot."""
    return _registered[0]


def series_sql(*, organization: str, start: str, end: str) -> str:
    """Return the recount as a SELECT of its series; the arguments are SQL expressions.

    For statements that recount many organizations at once, each in its own period.
    """
    return queries().series % {"organization": organization, "start": start, "end": end}


_BY_PROJECT = """
SELECT project.id, project.name, project.slug, project.visibility, project.deleted_at IS NOT NULL,
       project.deleted_at IS NULL AND (%(basis)s = 'all' OR project.visibility = 'private'),
       seen.series
FROM (SELECT project_id, count(*) AS series FROM ({recount}) active GROUP BY project_id) seen
JOIN series_project project ON project.id = seen.project_id
ORDER BY seen.series DESC, project.name
"""


@dataclass(frozen=True, slots=True)
class Recount:
    """How many series were active, by the reports themselves."""

    billed: int
    projects: tuple[ProjectCount, ...]


def recount(organization_id: int, *, start: datetime, end: datetime, basis: Basis) -> Recount:
    """Count the series that reported in [start, end) from the reports, never from the ledger."""
    with connection.cursor() as cursor:
        cursor.execute(
            _BY_PROJECT.format(recount=queries().series),
            {"organization": organization_id, "start": start, "end": end, "basis": basis.value},
        )
        projects = tuple(ProjectCount(*row) for row in cursor.fetchall())
    return Recount(
        billed=sum(project.series for project in projects if project.billed), projects=projects
    )
