"""Tells the audit who is behind a request."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django_guid import get_guid

from bencher import auditing

_SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")
# CI posts here a thousand times for each time that a person changes something, and what it posts
# is kept whole.
_RUN = "/v0/run"
_PROJECTS, _REPORTS = "/v0/projects/", "/reports"


class AuditMiddleware:
    """Records the user and the request's id with each change that a request makes.

    No address, for that would name organizations and projects. Whom an API key belongs to is known
    only later: `bencher.tenancy.authentication` adds it.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer a request."""
        if request.method in _SAFE or is_report(request.path):
            return self._get_response(request)
        with auditing.context(user=request.user.pk, request=get_guid()):
            return self._get_response(request)


def is_report(path: str) -> bool:
    """Tell whether reports are posted to an address."""
    return path.startswith(_RUN) or (
        path.startswith(_PROJECTS) and path.rstrip("/").endswith(_REPORTS)
    )
