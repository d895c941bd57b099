"""Reports that are stored: finding, listing and showing them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from django.db.models import Q, QuerySet
from msgspec import Meta

from bencher.rest import paging
from bencher.rest.paging import Direction, Page
from bencher.tenancy import organizations, slugs
from ingest import answers, results
from ingest.answers import JsonReport, JsonReportResult
from ingest.models import MetricColumn, Report
from ingest.reports import Accepted
from series import dimensions
from series.models import Project, Testbed
from series.wire import JsonProject, JsonTestbed

# A page with all its results is made in memory.
MAX_EXPANDED_METRICS = 250_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# The years that a timestamp can hold.
Millis = Annotated[int, Meta(ge=-62_135_596_800_000, le=253_402_300_799_999)]


class TooMuchError(ValueError):
    """A page with all its results would hold too many metrics; the message says what to do."""


class ByTime(StrEnum):
    """What reports can be sorted by."""

    DATE_TIME = "date_time"


class ReportsPage(Page, frozen=True, kw_only=True):
    """Which page is wanted of which reports; times are in milliseconds since 1970."""

    sort: ByTime = ByTime.DATE_TIME
    branch: str | None = None
    testbed: str | None = None
    start_time: Millis | None = None
    end_time: Millis | None = None
    archived: bool = False
    expand: bool = False


def find(project: Project, identifier: str) -> Report | None:
    """Return the report with that UUID, None where there is none or it is deleted."""
    uuid = slugs.uuid_of(identifier)
    return None if uuid is None else _living(project).filter(uuid=uuid).first()


def page(project: Project, asked: ReportsPage) -> tuple[list[JsonReport], int]:
    """Return one page of a project's reports, newest first, and how many there are in all.

    The number of queries does not grow with the page. Raises TooMuchError.
    """
    rows, total = paging.rows(
        _matching(project, asked), asked, sort="start_time", default=Direction.DESC
    )
    if asked.expand:
        _check_size(rows)
    return show(project, rows, expand=asked.expand), total


def show(project: Project, reports: Sequence[Report], *, expand: bool) -> list[JsonReport]:
    """Return stored reports as clients read them, with their results where that is asked for."""
    shown = _project(project)
    measured = _results(project, reports) if expand else {}
    return [
        answers.report(
            report,
            project=shown,
            testbed=JsonTestbed.of(_of_project(report, project)),
            results=measured.get(report.pk, []) if expand else None,
        )
        for report in reports
    ]


def show_accepted(accepted: Accepted) -> JsonReport:
    """Return a report that was just accepted; what was stored with it needs no reading."""
    report, stored = accepted.report, accepted.stored
    project = report.project
    if stored is None:
        (shown,) = show(project, list(_living(project).filter(pk=report.pk)), expand=True)
        return shown
    return answers.report(
        report,
        project=_project(project),
        testbed=answers.testbed(stored.testbed, project=project.uuid),
        results=results.of_report(
            report.uuid,
            stored.table,
            project=project.uuid,
            benchmarks={entity.id: entity for entity in stored.names.benchmarks.values()},
            measures={entity.id: entity for entity in stored.names.measures.values()},
        ),
    )


def _living(project: Project) -> QuerySet[Report]:
    return Report.objects.filter(project=project, deleted_at=None).select_related(
        "user",
        "testbed",
        "version",
        "head__branch",
        "head__start_head__branch",
        "head__start_version",
    )


def _matching(project: Project, asked: ReportsPage) -> QuerySet[Report]:
    found = _living(project)
    if asked.branch is not None:
        found = found.filter(_called(asked.branch, "head__branch"))
    if asked.testbed is not None:
        found = found.filter(_called(asked.testbed, "testbed"))
    if asked.start_time is not None:
        found = found.filter(start_time__gte=_EPOCH + timedelta(milliseconds=asked.start_time))
    if asked.end_time is not None:
        found = found.filter(end_time__lte=_EPOCH + timedelta(milliseconds=asked.end_time))
    in_use = Q(head__branch__archived_at=None, testbed__archived_at=None)
    return found.filter(~in_use if asked.archived else in_use)


def _called(identifier: str, what: str) -> Q:
    if "\0" in identifier:
        return Q(pk__in=[])
    uuid = slugs.uuid_of(identifier) if len(identifier) == 36 else None
    if uuid is not None:
        return Q(**{f"{what}__uuid": uuid})
    return Q(**{f"{what}__slug": identifier}) | Q(**{f"{what}__name": identifier})


def _check_size(reports: Sequence[Report]) -> None:
    metrics = sum(
        benchmarks * measures
        for report in reports
        for benchmarks, measures in zip(report.benchmark_counts, report.measure_counts, strict=True)
    )
    if len(reports) > 1 and metrics > MAX_EXPANDED_METRICS:
        raise TooMuchError(
            f"These {len(reports)} reports hold up to {metrics} metrics, and a page with its"
            f" results at most {MAX_EXPANDED_METRICS}: ask for fewer with `per_page`, or without"
            " `expand`."
        )


def _results(
    project: Project, reports: Sequence[Report]
) -> dict[int, list[list[JsonReportResult]]]:
    columns: dict[int, list[MetricColumn]] = defaultdict(list)
    for column in MetricColumn.objects.filter(
        organization_id=project.organization_id, report_id__in=[report.pk for report in reports]
    ):
        columns[column.report_id].append(column)
    everything = [column for of_report in columns.values() for column in of_report]
    benchmarks = dimensions.benchmarks_by_id(_benchmark_ids(everything))
    measures = dimensions.measures_by_id({column.measure_id for column in everything})
    uuids: dict[int, UUID] = {report.pk: report.uuid for report in reports}
    return {
        id: results.of_report(
            uuids[id], of_report, project=project.uuid, benchmarks=benchmarks, measures=measures
        )
        for id, of_report in columns.items()
    }


def _benchmark_ids(columns: Iterable[MetricColumn]) -> set[int]:
    return {id for column in columns for id in column.benchmark_ids}


def _of_project(report: Report, project: Project) -> Testbed:
    # Known already, so it need not be read again for each report.
    report.testbed.project = project
    return report.testbed


def _project(project: Project) -> JsonProject:
    claimed = organizations.claimed_at([project.organization_id])
    return JsonProject.of(project, claimed=claimed.get(project.organization_id))
