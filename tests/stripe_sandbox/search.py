"""`/search` of the resources: a query language over a few members, and found a little later.

    active:'true' AND metadata['plan']:'pro'

Stripe makes new objects searchable within a minute, not at once; `switches.search_lag_seconds` is
how long they stay unfound here. So a search is no way to find out whether something was just made.
"""

import re
from collections.abc import Callable
from typing import Any

from tests.stripe_sandbox.errors import ApiError
from tests.stripe_sandbox.parameters import integer, required, text
from tests.stripe_sandbox.routing import Call, Route
from tests.stripe_sandbox.state import Json

CLAUSE = re.compile(
    r"""(?P<no>-?)(?P<name>\w+)(?:\[(?P<quote>["'])(?P<key>.*?)(?P=quote)\])?"""
    r"""(?P<how>:|~|>=|<=|>|<)(?:(?P<mark>["'])(?P<text>.*?)(?P=mark)|(?P<bare>\w+))"""
)
NUMBERS: dict[str, Callable[[float, float], bool]] = {
    ":": lambda held, asked: held == asked,
    ">": lambda held, asked: held > asked,
    "<": lambda held, asked: held < asked,
    ">=": lambda held, asked: held >= asked,
    "<=": lambda held, asked: held <= asked,
}


def route(table: str, path: str, *names: str) -> Route:
    """Return the route that searches a table by metadata and by the named members."""

    def handle(call: Call) -> Json:
        wanted = _parse(call.params["query"], {*names, "created", "metadata"})
        found_until = call.world.now - call.world.switches.search_lag_seconds
        rows = [
            row
            for row in call.world.newest_first(table)
            if not row.get("deleted") and row["created"] <= found_until and wanted(row)
        ]
        start = int(call.params.get("page", "0"))
        limit = call.params.get("limit", 10)
        more = len(rows) > start + limit
        return {
            "object": "search_result",
            "data": [call.world.render(row) for row in rows[start : start + limit]],
            "has_more": more,
            "next_page": str(start + limit) if more else None,
            "url": call.path,
        }

    fields = {
        "limit": integer(minimum=1, maximum=100),
        "page": text(),
        "query": required(text()),
    }
    return Route("GET", path, handle, fields)


def _parse(query: str, names: set[str]) -> Callable[[Json], bool]:
    words = re.split(r"\s+(AND|OR|and|or)\s+|\s+(?=-?\w+[:~<>\[])", query.strip())
    clauses = [word for word in words if word and word.upper() not in {"AND", "OR"}]
    joints = {word.upper() for word in words if word and word.upper() in {"AND", "OR"}}
    if len(joints) > 1:
        raise _malformed("You can't combine AND and OR in one query.")
    tests = [_clause(clause, names) for clause in clauses]
    join = any if joints == {"OR"} else all
    return lambda row: join(test(row) for test in tests)


def _clause(clause: str, names: set[str]) -> Callable[[Json], bool]:
    match = CLAUSE.fullmatch(clause)
    if match is None:
        raise _malformed(f"We were unable to parse your search query: {clause}.")
    if match["name"] not in names or (match["name"] == "metadata") != bool(match["key"]):
        raise _malformed(f"Field `{match['name']}` is an unsupported search field.")
    negated = bool(match["no"])
    return lambda row: _holds(row, match) != negated


def _holds(row: Json, match: re.Match[str]) -> bool:
    held: Any = row.get(match["name"])
    if match["key"]:
        held = (held or {}).get(match["key"])
    if match["bare"] == "null":
        return held is None
    asked = match["text"] if match["text"] is not None else match["bare"]
    if held is None:
        return False
    if match["how"] == "~":
        return asked.lower() in str(held).lower()
    if isinstance(held, int | float) and not isinstance(held, bool):
        return NUMBERS[match["how"]](held, float(asked))
    return str(held).lower() == asked.lower()


def _malformed(message: str) -> ApiError:
    return ApiError(message, param="query")
