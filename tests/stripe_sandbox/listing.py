"""List objects: newest first, paged by the id of a neighbor."""

from collections.abc import Callable
from typing import Any

from tests.stripe_sandbox.errors import ApiError
from tests.stripe_sandbox.parameters import Field, integer, text
from tests.stripe_sandbox.state import Json

PAGING: dict[str, Field] = {
    "limit": integer(minimum=1, maximum=100),
    "starting_after": text(),
    "ending_before": text(),
}
COMPARE: dict[str, Callable[[int, int], bool]] = {
    "gt": int.__gt__,
    "gte": int.__ge__,
    "lt": int.__lt__,
    "lte": int.__le__,
}


def created_within(stored: Json, bounds: dict[str, int] | None) -> bool:
    """Say whether an object passes the `created` filter."""
    return all(COMPARE[name](stored["created"], limit) for name, limit in (bounds or {}).items())


def page(
    stored: list[Json], params: dict[str, Any], url: str, show: Callable[[Json], Json]
) -> Json:
    """Return one page as a list object."""
    limit = params.get("limit", 10)
    if "ending_before" in params:
        end = _position(stored, params["ending_before"], "ending_before")
        start = max(0, end - limit)
        chosen, more = stored[start:end], start > 0
    else:
        start = 0
        if "starting_after" in params:
            start = _position(stored, params["starting_after"], "starting_after") + 1
        chosen, more = stored[start : start + limit], len(stored) > start + limit
    return {"object": "list", "data": [show(row) for row in chosen], "has_more": more, "url": url}


def _position(stored: list[Json], identifier: str, param: str) -> int:
    for position, row in enumerate(stored):
        if row["id"] == identifier:
            return position
    raise ApiError(f"No such object: '{identifier}'", code="resource_missing", param=param)
