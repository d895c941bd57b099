"""How a resource module says which requests it answers."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.stripe_sandbox.listing import PAGING, created_within, page
from tests.stripe_sandbox.parameters import Field, created_filter
from tests.stripe_sandbox.state import Json
from tests.stripe_sandbox.world import World

if TYPE_CHECKING:
    from tests.stripe_sandbox.sandbox import Sandbox


@dataclass(frozen=True, slots=True)
class Call:
    """One request, checked: the world it acts on, the ids in its path, its parameters."""

    world: World
    path: str
    ids: Mapping[str, str]
    params: dict[str, Any]


Handler = Callable[[Call], Json]
Guard = Callable[["Sandbox", dict[str, Any]], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """A method and path, its parameters, and what answers; `guard` runs outside the lock."""

    method: str
    path: str
    handle: Handler
    fields: Mapping[str, Field] = field(default_factory=dict)
    guard: Guard | None = None


def retrieve(table: str, path: str) -> Route:
    """Return the route that reads one object by the `id` in the path."""
    return Route(
        "GET", path, lambda call: call.world.render(call.world.find(table, call.ids["id"]))
    )


def listing(table: str, path: str, **filters: Field) -> Route:
    """Return the route that lists a table; a filter compares the member of its own name."""

    def handle(call: Call) -> Json:
        params = call.params
        rows = [
            row
            for row in call.world.newest_first(table)
            if not row.get("deleted")
            and created_within(row, params.get("created"))
            and all(row[name] == params[name] for name in filters if name in params)
        ]
        return page(rows, params, call.path, call.world.render)

    return Route("GET", path, handle, {**PAGING, "created": created_filter(), **filters})
