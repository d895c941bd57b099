"""Answering with typed values as JSON."""

from collections.abc import Iterable

import msgspec
from django.http import HttpResponse


def one(value: object, *, status: int = 200) -> HttpResponse:
    """Return a response with one value."""
    return HttpResponse(msgspec.json.encode(value), content_type="application/json", status=status)


def page(values: Iterable[object], *, total: int) -> HttpResponse:
    """Return a response with a page of values; `X-Total-Count` says how many there are in all."""
    response = one(list(values))
    response["X-Total-Count"] = str(total)
    return response


def nothing() -> HttpResponse:
    """Return the empty response that follows a deletion."""
    return HttpResponse(status=204)
