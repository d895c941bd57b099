"""Errors as Bencher's clients read them: a request id and a message that says what to do."""

from django.core.exceptions import BadRequest, PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views import defaults
from django_guid import get_guid
from rest_framework.exceptions import APIException
from rest_framework.response import Response
from rest_framework.views import exception_handler as drf_exception_handler


class ApiError(APIException):
    """An anticipated refusal with its status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status_code = status


def exception_handler(error: Exception, context: dict[str, object]) -> Response | None:
    """Return Bencher's error body for an exception of an endpoint."""
    response = drf_exception_handler(error, context)
    if response is not None:
        response.data = body(_message(error))
    return response


def body(message: str) -> dict[str, object]:
    """Return Bencher's error body."""
    return {"request_id": get_guid() or "", "message": message}


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 404: as JSON under /v0, as a page elsewhere."""
    if request.path.startswith("/v0/"):
        return JsonResponse(body(f"There is nothing at {request.path}."), status=404)
    return defaults.page_not_found(request, exception)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 400: as JSON under /v0, as a page elsewhere, with what is wrong where we know."""
    said = str(exception) if isinstance(exception, BadRequest) else ""
    if request.path.startswith("/v0/"):
        return JsonResponse(body(said or "The request is not well-formed."), status=400)
    return render(request, "400.html", {"said": said}, status=400)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 500: as JSON under /v0, as a page elsewhere."""
    if request.path.startswith("/v0/"):
        message = "Something went wrong on our side; the request id finds it in our logs."
        return JsonResponse(body(message), status=500)
    return defaults.server_error(request)


def _message(error: Exception) -> str:
    if isinstance(error, Http404 | PermissionDenied):
        return str(error) or "Not found."
    detail = getattr(error, "detail", None)
    return "; ".join(map(str, detail)) if isinstance(detail, list) else str(detail)
