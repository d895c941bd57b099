"""Counting requests once it is known who sends them: by key, and reports by project."""

from typing import TYPE_CHECKING

from django.conf import settings
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from bencher.rest import limiting

if TYPE_CHECKING:  # DRF is still loading its views when it loads this module.
    from rest_framework.views import APIView


class KeyLimit(BaseThrottle):
    """Limits each user key and project key, whatever address it comes from."""

    def allow_request(self, request: Request, view: "APIView") -> bool:
        """Count the request against its key. Raises 429."""
        uuid = getattr(request.auth, "uuid", None)
        if uuid is not None:
            _count(request, settings.RATE_LIMIT_KEY, name="key", subject=str(uuid))
        return True


def count_report(request: Request, project_uuid: object) -> None:
    """Count a report against its project, whoever sends it. Raises 429."""
    _count(request, settings.RATE_LIMIT_REPORTS, name="reports", subject=str(project_uuid))


def _count(request: Request, limits: str, *, name: str, subject: str) -> None:
    verdict = limiting.count(limits, name=name, subject=subject)
    if verdict is None:
        return
    request._request.rate_limit = verdict  # type: ignore[attr-defined]
    if not verdict.allowed:
        raise Throttled(wait=verdict.reset_seconds, detail=verdict.message())
