"""Counting requests by address, before keys are even looked up."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse

from bencher import errors
from bencher.rest import limiting
from bencher.rest.limiting import Verdict

_API = "/v0/"


class AddressLimit:
    """Middleware: limits each address before keys are even looked up, and tells the limits."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer 429 past the limit of the caller's address."""
        if not request.path.startswith(_API):
            return self._get_response(request)
        verdict = limiting.count(
            settings.RATE_LIMIT_ADDRESS, name="address", subject=client_address(request)
        )
        if verdict is not None and not verdict.allowed:
            response: HttpResponse = JsonResponse(errors.body(verdict.message()), status=429)
        else:
            response = self._get_response(request)
        nearest: Verdict | None = getattr(request, "rate_limit", None) or verdict
        if nearest is not None:
            for name, value in nearest.headers().items():
                response[name] = value
        return response


def client_address(request: HttpRequest) -> str:
    """Return the address that a request comes from, "unknown" where there is none."""
    # Only proxies that the operator vouches for may say who is behind them.
    direct: str = request.META.get("REMOTE_ADDR") or "unknown"
    behind = [part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
    trusted = settings.TRUSTED_PROXIES
    return behind[-trusted] if 0 < trusted <= len(behind) and behind[-trusted] else direct
