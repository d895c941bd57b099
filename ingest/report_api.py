"""The endpoints of a project's reports."""

from django.http import HttpResponse
from rest_framework.exceptions import NotFound
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.views import APIView

from bencher import clock
from bencher.errors import ApiError
from bencher.rest import answering, reading
from bencher.rest.documenting import endpoint
from bencher.tenancy.permissions import Permission
from ingest import deletion, posting, stored
from ingest.answers import JsonReport
from ingest.models import Report
from ingest.posting import Posting
from ingest.stored import ReportsPage
from ingest.wire import JsonNewReport
from series import access
from series.models import Project


class ReportList(APIView):
    """The reports of a project."""

    permission_classes = (AllowAny,)

    @endpoint(
        summary="The reports of a project, newest first, without their results unless `expand`",
        answer=JsonReport,
        paged=True,
        query=ReportsPage,
        refusals=(400, 401, 404),
    )
    def get(self, request: Request, project: str) -> HttpResponse:
        """Answer with a page of reports that branch, testbed and time select."""
        found = access.project(request, project, Permission.VIEW)
        try:
            page, total = stored.page(found, reading.query(request, ReportsPage))
        except stored.TooMuchError as error:
            raise ApiError(400, str(error)) from error
        return answering.page(page, total=total)

    @endpoint(
        summary="Report to a project; with `dry_run`, see what that would add",
        answer=JsonReport,
        status=201,
        body=JsonNewReport,
        query=Posting,
        refusals=posting.REFUSALS,
        also=posting.PREVIEW,
    )
    def post(self, request: Request, project: str) -> HttpResponse:
        """Store a report and answer 201 with it; `X-New-Series` says how many series were new."""
        found = access.project(request, project, Permission.CREATE)
        body = reading.raw(request)
        return posting.answer(request, project=found, payload=posting.decoded(body), body=body)


class ReportDetail(APIView):
    """One report."""

    permission_classes = (AllowAny,)

    @endpoint(summary="A report with its results", answer=JsonReport, refusals=(401, 404))
    def get(self, request: Request, project: str, report: str) -> HttpResponse:
        """Answer with a report."""
        found = access.project(request, project, Permission.VIEW)
        (shown,) = stored.show(found, [_find(found, report)], expand=True)
        return answering.one(shown)

    @endpoint(summary="Delete a report", status=204, refusals=(401, 403, 404))
    def delete(self, request: Request, project: str, report: str) -> HttpResponse:
        """Hide a report and empty its values; what it proves of the bill is kept."""
        found = access.project(request, project, Permission.DELETE)
        if not deletion.delete(_find(found, report), now=clock.now()):
            raise _missing(found, report)
        return answering.nothing()


def _find(project: Project, identifier: str) -> Report:
    report = stored.find(project, identifier)
    if report is None:
        raise _missing(project, identifier)
    return report


def _missing(project: Project, identifier: str) -> NotFound:
    return NotFound(f"Project {project.slug} has no report {identifier!r}.")
