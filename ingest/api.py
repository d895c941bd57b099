"""The endpoint that CI posts reports to: translate in, one call, translate out."""

import msgspec
from django.http import HttpResponse
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.request import Request
from rest_framework.views import APIView

from bencher import clock
from bencher.errors import ApiError
from bencher.tenancy import organizations
from bencher.tenancy.models import User
from ingest import bodies, presenters, reports, wire
from ingest.adapters.results import AdapterError
from ingest.columns import AmbiguousNameError
from series import projects
from series.dimensions import NoSuchEntityError
from series.models import Project, ProjectKey, Visibility

_STATUS: dict[type[Exception], int] = {
    wire.InvalidBodyError: 400,
    AdapterError: 400,
    AmbiguousNameError: 400,
    NoSuchEntityError: 404,
    reports.PaymentRequiredError: 402,
    reports.IdempotencyConflictError: 409,
}
_REFUSALS = tuple(_STATUS)


class ReportList(APIView):
    """The reports of a project."""

    def post(self, request: Request, project: str) -> HttpResponse:
        """Store a report and answer 201 with it; `X-New-Series` says how many series were new."""
        found, user = _may_report(request, project)
        body = bodies.read(request)
        try:
            sent = reports.submission(
                project=found, payload=wire.decode(body), body=body, user=user
            )
            accepted = reports.accept(sent, now=clock.now())
        except _REFUSALS as error:
            raise ApiError(_STATUS[type(error)], str(error)) from error
        response = HttpResponse(
            msgspec.json.encode(presenters.report(accepted.report)),
            content_type="application/json",
            status=201,
        )
        response["Location"] = f"/v0/projects/{found.slug}/reports/{accepted.report.uuid}"
        response["X-New-Series"] = str(accepted.new_series)
        return response


def _may_report(request: Request, identifier: str) -> tuple[Project, User | None]:
    """Return the project and the reporting user, if any. Private ones don't exist for outsiders."""
    project = projects.find(identifier)
    missing = NotFound(f"There is no project {identifier!r}, or this key does not belong to it.")
    if project is None:
        raise missing
    if isinstance(request.auth, ProjectKey):
        if request.auth.project_id == project.pk:
            return project, None
    elif isinstance(request.user, User) and organizations.role_in(
        project.organization, request.user
    ):
        return project, request.user
    if project.visibility == Visibility.PRIVATE:
        raise missing
    raise PermissionDenied(f"This key may read project {project.slug!r} but not report to it.")
