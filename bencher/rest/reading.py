"""Reading requests into types. Each refusal names the field and what was expected."""

from typing import Any, TypeVar

import msgspec
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from rest_framework.request import Request

from bencher.errors import ApiError
from bencher.rest import compression

T = TypeVar("T")
_NOT_TRUE_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def raw(request: Request) -> bytes:
    """Return the body, inflated where it is compressed.

    Call it once the caller is known to be allowed: inflating is work. Raises 413 past
    INGEST_MAX_BYTES before reading or inflating more than that, 415 for another compression than
    gzip and zstd, 411 for a body without a length, and 400 for a corrupt one.
    """
    if "chunked" in request.headers.get("Transfer-Encoding", "").lower():
        raise ApiError(411, "Send the body with a Content-Length, not in chunks.")
    try:
        sent: bytes = request._request.body
    except RequestDataTooBig as error:
        raise _too_large() from error
    encoding = request.headers.get("Content-Encoding", "identity")
    if encoding.strip().lower() == "identity":
        return sent
    try:
        return compression.inflate(sent, encoding, limit=settings.INGEST_MAX_BYTES)
    except compression.TooLargeError as error:
        raise _too_large() from error
    except compression.UnknownEncodingError as error:
        raise ApiError(
            415, f"Content-Encoding {encoding!r} is not read here; send gzip, zstd or neither."
        ) from error
    except compression.CorruptBodyError as error:
        raise ApiError(400, f"The body is not {encoding}: {error}.") from error


def _too_large() -> ApiError:
    return ApiError(
        413,
        f"The body is larger than {settings.INGEST_MAX_BYTES} bytes, inflated or not; split the"
        " report, or raise INGEST_MAX_BYTES on the server.",
    )


def body(request: Request, kind: type[T]) -> T:
    """Return the body as a value of that type. Raises 400 naming the field, and 413."""
    try:
        return msgspec.json.decode(raw(request), type=kind)
    except _NOT_TRUE_JSON as error:
        raise ApiError(400, f"The body can't be read: {error}.") from error


def query(request: Request, kind: type[T]) -> T:
    """Return the query string as a value of that type, texts turned into numbers and booleans.

    Raises 400 naming the parameter. Parameters that the type does not know are ignored.
    """
    given: dict[str, Any] = request.query_params.dict()
    try:
        return msgspec.convert(given, type=kind, strict=False)
    except msgspec.ValidationError as error:
        message = str(error).replace("`$.", "`")
        raise ApiError(400, f"The query string can't be read: {message}.") from error
