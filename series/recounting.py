"""Where the recount comes from: `ingest` reads reports and registers its query here.

Series knows neither ingest nor billing; this is the seam through which billing gets a proof that
is independent of the ledger.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from django.db import DatabaseError, connection, transaction

from series.counting import Basis, ProjectCount

# What series_evidence_is_kept() raises; no state of PostgreSQL's own begins with a Z.
_EXPIRED = "ZE001"


class EvidenceExpiredError(Exception):
    """Evidence of the period was purged: what a recount would find is no number any more."""


@contextmanager
def expiry_refused() -> Iterator[None]:
    """Turn the database's refusal of a recount into EvidenceExpiredError.

    A caller's transaction can go on afterwards.
    """
    try:
        with transaction.atomic():
            yield
    except DatabaseError as error:
        cause = error.__cause__
        if getattr(cause, "sqlstate", None) != _EXPIRED:
            raise
        raise EvidenceExpiredError(str(error).partition("\n")[0]) from error


def check_evidence(organization_id: int, *, start: datetime) -> None:
    """Raise EvidenceExpiredError where a period that starts then can't be recounted any more."""
    with expiry_refused(), connection.cursor() as cursor:
        cursor.execute("SELECT series_evidence_is_kept(%s, %s)", [organization_id, start])


@dataclass(frozen=True, slots=True)
class Queries:
    """The recount as SQL, with %(organization)s, %(start)s and %(end)s.

    One row per series that reported in [start, end), of any project, from reports and metric
    columns only: project_id, testbed_id, benchmark_id, measure_id, first_seen and last_seen;
    `series` adds first_received, which a backdated report has later than first_seen,
    `with_reports` first_report_uuid and last_report_uuid. The database refuses both where
    evidence of the period was purged: see `expiry_refused`.
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
    """Count the series that reported in [start, end) from the reports, never from the ledger.

    Raises EvidenceExpiredError once evidence of the period was purged.
    """
    with expiry_refused(), connection.cursor() as cursor:
        cursor.execute(
            _BY_PROJECT.format(recount=queries().series),
            {"organization": organization_id, "start": start, "end": end, "basis": basis.value},
        )
        projects = tuple(ProjectCount(*row) for row in cursor.fetchall())
    return Recount(
        billed=sum(project.series for project in projects if project.billed), projects=projects
    )
