"""What the endpoints that take reports share: from the decoded body to the answer."""

import msgspec
from django.http import HttpResponse
from rest_framework.request import Request

from bencher import clock
from bencher.errors import ApiError
from bencher.rest import answering, reading, throttling
from bencher.tenancy.models import User
from ingest import dry_run, idempotency, reports, stored, wire
from ingest.adapters.results import AdapterError
from ingest.columns import AmbiguousNameError
from ingest.dry_run import JsonDryRun
from ingest.on_the_fly import NewProject
from ingest.reports import Submission
from series.dimensions import NoSuchEntityError
from series.models import Project

REFUSALS = (400, 401, 402, 403, 404, 409, 411, 413, 415, 503)
PREVIEW = {200: (JsonDryRun, "What the report would add, where `dry_run` was asked for.")}

_STATUS: dict[type[Exception], int] = {
    wire.InvalidBodyError: 400,
    AdapterError: 400,
    AmbiguousNameError: 400,
    NoSuchEntityError: 404,
    reports.PaymentRequiredError: 402,
    reports.IdempotencyConflictError: 409,
}
_REFUSED = tuple(_STATUS)


class Posting(msgspec.Struct, frozen=True):
    """How a report is posted; with `dry_run` nothing is stored."""

    dry_run: bool = False


class TryAgainError(ApiError):
    """A temporary fault on our side; DRF tells `wait` as Retry-After."""

    wait = 1


def decoded(body: bytes) -> wire.JsonNewReport:
    """Return the report that a body holds. Raises 400."""
    try:
        return wire.decode(body)
    except wire.InvalidBodyError as error:
        raise ApiError(400, str(error)) from error


def answer(
    request: Request,
    *,
    project: Project | NewProject,
    payload: wire.JsonNewReport,
    body: bytes,
    claims: bool = False,
) -> HttpResponse:
    """Accept a report, or tell what accepting it would add.

    Raises ApiError, and ProjectTakenError where the project is not what it was a moment ago.
    """
    if isinstance(project, Project):
        throttling.count_report(request, project.uuid)
    asked = reading.query(request, Posting)
    try:
        key = idempotency.key(request.headers.get("Idempotency-Key"), payload.idempotency_key)
        sent = reports.submission(
            project=project,
            payload=msgspec.structs.replace(payload, idempotency_key=key),
            body=body,
            user=request.user if isinstance(request.user, User) else None,
            claims=claims,
        )
        return _preview(sent) if asked.dry_run else _accept(sent)
    except _REFUSED as error:
        raise ApiError(_STATUS[type(error)], str(error)) from error
    except reports.BusyError as error:
        raise TryAgainError(503, str(error)) from error


def _accept(sent: Submission) -> HttpResponse:
    accepted = reports.accept(sent, now=clock.now())
    report = accepted.report
    response = answering.one(stored.show_accepted(accepted), status=201)
    response["Location"] = f"/v0/projects/{report.project.slug}/reports/{report.uuid}"
    response["X-New-Series"] = str(accepted.new_series)
    return response


def _preview(sent: Submission) -> HttpResponse:
    preview = dry_run.preview(sent, now=clock.now())
    response = answering.one(preview)
    response["X-New-Series"] = str(preview.new_series)
    return response
