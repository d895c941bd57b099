"""Reading requests into types. Each refusal names the field and what was expected."""

from typing import Any, TypeVar

import msgspec
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from rest_framework.request import Request

from bencher.errors import ApiError

T = TypeVar("T")
_NOT_TRUE_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def raw(request: Request) -> bytes:
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
