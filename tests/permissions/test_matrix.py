"""Every endpoint, called by everybody, for their own objects and for those of others."""

import re
from collections.abc import Iterator
from itertools import product

import msgspec
import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from tests.permissions import table
from tests.permissions.conftest import undone
from tests.permissions.rules import Caller, Row, Scope, expected
from tests.permissions.world import World

METHODS = ("get", "post", "put", "patch", "delete")
# They look at no credential.
OPEN = {"/v0/server/version", "/v0/server/config/console", "/v0/openapi.json", "/v0/docs"}
# The body says what it is about: tests/ingest/test_runs.py and tests/billing/test_plan_api.py have
# who may do what.
BY_BODY = {"/v0/run", "/v0/checkout"}
# Their parts have still to bring rows: take an address out with the module in `table`.
STILL_TO_COME = {
    "/v0/organizations/{}/usage",
}


def shape(path: str) -> str:
    """Return a path without the names of its placeholders."""
    return re.sub(r"\{[^}]*\}|<[^>]*>", "{}", path)


def served() -> Iterator[tuple[str, str]]:
    """Return each method and path under /v0."""

    def walk(patterns: list[URLPattern | URLResolver], before: str) -> Iterator[tuple[str, str]]:
        for pattern in patterns:
            path = before + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                yield from walk(pattern.url_patterns, path)
            elif path.startswith("/v0/"):
                view = getattr(pattern.callback, "cls", None)
                methods = [name for name in METHODS if hasattr(view, name)] or ["get"]
                yield from ((method, shape(path)) for method in methods)

    return walk(get_resolver().url_patterns, "/")


class TestTable:
    def test_has_a_row_for_every_address(self) -> None:
        known = {(row.method, shape(row.path)) for row in table.rows()}

        missing = {
            (method, path)
            for method, path in set(served())
            if path not in OPEN | BY_BODY | STILL_TO_COME and (method, path) not in known
        }

        assert missing == set()

    def test_has_no_row_twice_and_none_for_nothing(self) -> None:
        rows = [(row.method, shape(row.path)) for row in table.rows()]

        assert len(rows) == len(set(rows))
        assert set(rows) <= set(served())

    def test_waits_for_nothing_that_has_come(self) -> None:
        assert not STILL_TO_COME & {shape(row.path) for row in table.rows()}


class TestMatrix:
    @pytest.mark.parametrize("row", table.rows(), ids=str)
    def test_answers_as_the_rules_say(self, everybody: World, row: Row) -> None:
        publics = (False, True) if row.scope is Scope.PROJECT else (False,)
        foreigns = (None, row.object) if row.object else (None,)
        wrong = {}
        for caller, public, foreign in product(Caller, publics, foreigns):
            with undone():
                response = everybody.client(caller, public=public).generic(
                    row.method.upper(),
                    everybody.address(row.path, public=public, foreign=foreign),
                    *_body(row),
                )
            due = expected(row, caller, public=public, foreign=foreign is not None)
            if response.status_code != due:
                case = f"{caller}, {'public' if public else 'private'}, {foreign or 'own'}"
                wrong[case] = f"{response.status_code} for {due}: {response.content[:200]!r}"

        assert wrong == {}


def _body(row: Row) -> tuple[bytes, str]:
    return (msgspec.json.encode(row.body) if row.body is not None else b"", "application/json")
