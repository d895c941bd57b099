"""Every series of an organization with whether it counts in a period and why, as SQL.

From the ledger while a period runs, from the reports once it has ended. Both give the same
columns, those of a statement's lines, and the ids by which pages are continued.
"""

from enum import StrEnum

from series import recounting


class Reason(StrEnum):
    """Why a series counts, or does not."""

    SEEN = "seen"
    PUBLIC = "public"
    PROJECT_DELETED = "project_deleted"
    SEEN_OUTSIDE = "seen_outside"


_OUTSIDE = "series.last_seen < %(start)s OR series.last_seen >= %(end)s"

_REASON = f"""
CASE WHEN {{outside}} THEN '{Reason.SEEN_OUTSIDE}'
     WHEN project.deleted_at IS NOT NULL THEN '{Reason.PROJECT_DELETED}'
     WHEN %(basis)s = 'private' AND project.visibility = 'public' THEN '{Reason.PUBLIC}'
     ELSE '{Reason.SEEN}' END
"""

_EXPLAINED = """
SELECT series.testbed_id, series.benchmark_id, series.measure_id,
       project.uuid AS project_uuid, project.name AS project_name,
       project.visibility AS project_visibility,
       project.deleted_at IS NOT NULL AS project_deleted,
       testbed.uuid AS testbed_uuid, testbed.name AS testbed_name,
       benchmark.uuid AS benchmark_uuid, benchmark.name AS benchmark_name,
       measure.uuid AS measure_uuid, measure.name AS measure_name,
       ({reason}) = 'seen' AS billed, {reason} AS reason, {reports}
FROM {series}
JOIN series_project project ON project.id = series.project_id
JOIN series_testbed testbed ON testbed.id = series.testbed_id
JOIN series_benchmark benchmark ON benchmark.id = series.benchmark_id{benchmarks}
JOIN series_measure measure ON measure.id = series.measure_id
"""

_NO_REPORTS = (
    "NULL::uuid AS first_report_uuid, NULL::timestamptz AS first_seen_at,"
    " NULL::uuid AS last_report_uuid, series.last_seen AS last_seen_at"
)
_REPORTS = (
    "{of}.first_report_uuid, {of}.first_seen AS first_seen_at, {of}.last_report_uuid,"
    " coalesce({of}.last_seen, series.last_seen) AS last_seen_at"
)


def ledger_sql(*, with_reports: bool) -> str:
    """Return a SELECT of every series of the ledger, with %(organization)s, start, end, basis.

    With the first and last report of the period it reads all of the period's reports, which is
    right for a whole download and too much for a page: see `reports_of_sql`.
    """
    ledger = "(SELECT * FROM series_last_seen WHERE organization_id = %(organization)s) series"
    if with_reports:
        ledger += (
            f" LEFT JOIN ({recounting.queries().with_reports}) active"
            " USING (project_id, testbed_id, benchmark_id, measure_id)"
        )
    return _EXPLAINED.format(
        reason=_REASON.format(outside=_OUTSIDE),
        reports=_REPORTS.format(of="active") if with_reports else _NO_REPORTS,
        series=ledger,
        benchmarks="",
    )


def testbeds_sql() -> str:
    """Return a SELECT of the testbeds of %(organization)s by names: the way of a walk by names."""
    return """
    SELECT testbed.id, testbed.name, project.id AS owner_id, project.name AS owner_name
    FROM series_testbed testbed JOIN series_project project ON project.id = testbed.project_id
    WHERE project.organization_id = %(organization)s
    ORDER BY project.name, testbed.name, testbed.id
    """


def ledger_of_testbed_sql() -> str:
    """Return the SELECT of `ledger_sql` for one testbed, `place` of an outer `testbeds_sql`.

    That benchmarks are those of its project goes without saying; said, it lets PostgreSQL read them
    in the order of their names, from the index that keeps the names unique.
    """
    return _EXPLAINED.format(
        reason=_REASON.format(outside=_OUTSIDE),
        reports=_NO_REPORTS,
        series=(
            "(SELECT * FROM series_last_seen WHERE organization_id = %(organization)s"
            " AND testbed_id = place.id) series"
        ),
        benchmarks=" AND benchmark.project_id = place.owner_id",
    )


def reports_sql() -> str:
    """Return a SELECT of every series that reported within the period, by the reports."""
    return _EXPLAINED.format(
        reason=_REASON.format(outside="false"),
        reports=_REPORTS.format(of="series"),
        series=f"({recounting.queries().with_reports}) series",
        benchmarks="",
    )


def reports_of_sql() -> str:
    """Return a SELECT of first and last report of the series in %(testbeds)s and so on.

    Arrays of ids, so that only reports from these testbeds with these measures are read.
    """
    return f"""
    SELECT testbed_id, benchmark_id, measure_id,
           first_report_uuid, first_seen, last_report_uuid, last_seen
    FROM ({recounting.queries().with_reports}) active
    WHERE testbed_id = ANY(%(testbeds)s::bigint[]) AND measure_id = ANY(%(measures)s::bigint[])
      AND benchmark_id = ANY(%(benchmarks)s::bigint[])
    """  # noqa: S608 - the registered query


def reported_sql(*, organization: str, start: str, end: str) -> str:
    """Return a SELECT of the series that reported in [start, end), by UUIDs, from the reports.

    The arguments are SQL expressions.
    """
    recount = recounting.series_sql(organization=organization, start=start, end=end)
    return f"""
    SELECT testbed.uuid AS testbed_uuid, benchmark.uuid AS benchmark_uuid,
           measure.uuid AS measure_uuid
    FROM ({recount}) reported
    JOIN series_testbed testbed ON testbed.id = reported.testbed_id
    JOIN series_benchmark benchmark ON benchmark.id = reported.benchmark_id
    JOIN series_measure measure ON measure.id = reported.measure_id
    """  # noqa: S608 - expressions of our own code
