"""Reading a request's body, never more of it than the limit."""

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from rest_framework.request import Request

from bencher.errors import ApiError


def read(request: Request) -> bytes:
    """Return the body. Raises 413 past INGEST_MAX_BYTES, before reading more than that."""
    try:
        body: bytes = request._request.body
    except RequestDataTooBig as error:
        raise ApiError(
            413,
            f"The body is larger than {settings.INGEST_MAX_BYTES} bytes; split the report, or"
            " raise INGEST_MAX_BYTES on the server.",
        ) from error
    return body
