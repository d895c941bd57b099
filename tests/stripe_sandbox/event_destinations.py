"""Event destinations and thin events of version 2 of the API.

A destination is told only that something happened (`notification`); what, it fetches by id.
"""

from fnmatch import fnmatchcase
from typing import Any

from tests.stripe_sandbox.errors import ApiError, unsupported
from tests.stripe_sandbox.parameters import (
    integer,
    mapping,
    required,
    sequence,
    strings,
    text,
)
from tests.stripe_sandbox.routing import Call, Route
from tests.stripe_sandbox.state import Json, new_id
from tests.stripe_sandbox.world import merge_metadata, rfc3339

TABLE, EVENTS = "v2.core.event_destination", "v2.core.event"
INCLUDABLE = ("webhook_endpoint.signing_secret", "webhook_endpoint.url")
INCLUDE = sequence(text(choices=INCLUDABLE))


def notification(event: Json) -> Json:
    """Return what is posted to a destination: everything but the data."""
    return {name: value for name, value in _public(event).items() if name != "data"}


def _public(stored: Json) -> Json:
    return {name: value for name, value in stored.items() if not name.startswith("_")}


def _create(call: Call) -> Json:
    world, params = call.world, call.params
    if params["event_payload"] != "thin":
        raise unsupported("snapshot payloads here; use /v1/webhook_endpoints", "event_payload")
    if "webhook_endpoint" not in params:
        raise ApiError("webhook_endpoint is required for this type.", param="webhook_endpoint")
    destination: Json = {
        "id": new_id("ed_test_", 24),
        "object": TABLE,
        "_created": world.now,
        "_secret": new_id("whsec_", 32),
        "_url": params["webhook_endpoint"]["url"],
        "amazon_eventbridge": None,
        "azure_event_grid": None,
        "created": rfc3339(world.now),
        "description": params.get("description", ""),
        "enabled_events": params["enabled_events"],
        "event_payload": "thin",
        "events_from": params.get("events_from", ["@self"]),
        "livemode": False,
        "metadata": params.get("metadata", {}),
        "name": params["name"],
        "snapshot_api_version": None,
        "status": "enabled",
        "status_details": None,
        "type": params["type"],
        "updated": rfc3339(world.now),
    }
    world.add(destination)
    return _shown(destination, params)


def _shown(destination: Json, params: dict[str, Any], *, with_secret: bool = True) -> Json:
    """Return a destination; address and secret only when asked for, the secret only at first."""
    include = params.get("include", [])
    endpoint = {
        "url": destination["_url"] if INCLUDABLE[1] in include else None,
        "signing_secret": destination["_secret"]
        if with_secret and INCLUDABLE[0] in include
        else None,
    }
    return _public(destination) | {"webhook_endpoint": endpoint}


def _retrieve(call: Call) -> Json:
    destination = call.world.find(TABLE, call.ids["id"])
    return _shown(destination, call.params, with_secret=False)


def _update(call: Call) -> Json:
    world, params = call.world, call.params
    destination = world.find(TABLE, call.ids["id"])
    names = ("description", "enabled_events", "name")
    destination.update({name: params[name] for name in names if name in params})
    if "webhook_endpoint" in params:
        destination["_url"] = params["webhook_endpoint"]["url"]
    merge_metadata(destination, params.get("metadata"))
    destination["updated"] = rfc3339(world.now)
    return _shown(destination, params, with_secret=False)


def _list(call: Call) -> Json:
    rows = call.world.newest_first(TABLE)
    return _page([_shown(row, call.params, with_secret=False) for row in rows], call)


def _page(rows: list[Json], call: Call) -> Json:
    """Return the first page in the shape of version 2; the sandbox makes no second one."""
    limit = call.params.get("limit", 20)
    if len(rows) > limit:
        raise unsupported("a second page here; ask for a larger limit", "limit")
    return {"data": rows, "next_page_url": None, "previous_page_url": None}


def _delete(call: Call) -> Json:
    destination = call.world.find(TABLE, call.ids["id"])
    del call.world.state.tables[TABLE][destination["id"]]
    return {"id": destination["id"], "object": TABLE}


def _enable(call: Call) -> Json:
    return _switch(call, "enabled")


def _disable(call: Call) -> Json:
    return _switch(call, "disabled")


def _switch(call: Call, status: str) -> Json:
    destination = call.world.find(TABLE, call.ids["id"])
    destination["status"] = status
    destination["status_details"] = (
        {"disabled": {"reason": "user"}} if status != "enabled" else None
    )
    destination["updated"] = rfc3339(call.world.now)
    return _shown(destination, {}, with_secret=False)


def _ping(call: Call) -> Json:
    """Send a test event to one destination and return it."""
    world = call.world
    destination = world.find(TABLE, call.ids["id"])
    related = {
        "id": destination["id"],
        "type": TABLE,
        "url": f"/v2/core/event_destinations/{destination['id']}",
    }
    before = len(world.state.undelivered)
    event = world.emit_thin("v2.core.event_destination.ping", related, {})
    del world.state.undelivered[before:]
    world.state.undelivered.append((event["id"], destination["id"]))
    return _public(event)


def _event(call: Call) -> Json:
    return _public(call.world.find(EVENTS, call.ids["id"]))


def _events(call: Call) -> Json:
    params = call.params
    bounds = params.get("created", {})
    rows = [
        _public(row)
        for row in call.world.newest_first(EVENTS)
        if any(fnmatchcase(row["type"], kind) for kind in params.get("types", ["*"]))
        and (
            "object_id" not in params
            or (row["related_object"] or {}).get("id") == params["object_id"]
        )
        and all(_compare(name, row["created"], bound) for name, bound in bounds.items())
    ]
    return _page(rows, call)


def _compare(name: str, created: str, bound: str) -> bool:
    match name:
        case "gt":
            return created > bound
        case "gte":
            return created >= bound
        case "lt":
            return created < bound
        case _:
            return created <= bound


ENDPOINT = mapping({"url": required(text())})
WRITABLE = {
    "description": text(clearable=True),
    "include": INCLUDE,
    "metadata": strings(),
    "webhook_endpoint": ENDPOINT,
}
PATH = "/v2/core/event_destinations"
CREATED = mapping({name: text() for name in ("gt", "gte", "lt", "lte")})

ROUTES = [
    Route(
        "POST",
        PATH,
        _create,
        {
            **WRITABLE,
            "enabled_events": required(sequence(text())),
            "event_payload": required(text(choices=("snapshot", "thin"))),
            "events_from": sequence(text()),
            "name": required(text()),
            "snapshot_api_version": text(),
            "type": required(
                text(choices=("amazon_eventbridge", "azure_event_grid", "webhook_endpoint"))
            ),
        },
    ),
    Route("GET", PATH, _list, {"include": INCLUDE, "limit": integer(minimum=1, maximum=100)}),
    Route("GET", f"{PATH}/<id>", _retrieve, {"include": INCLUDE}),
    Route(
        "POST",
        f"{PATH}/<id>",
        _update,
        {**WRITABLE, "enabled_events": sequence(text()), "name": text()},
    ),
    Route("DELETE", f"{PATH}/<id>", _delete),
    Route("POST", f"{PATH}/<id>/enable", _enable),
    Route("POST", f"{PATH}/<id>/disable", _disable),
    Route("POST", f"{PATH}/<id>/ping", _ping),
    Route(
        "GET",
        "/v2/core/events",
        _events,
        {
            "created": CREATED,
            "limit": integer(minimum=1, maximum=100),
            "object_id": text(),
            "types": sequence(text()),
        },
    ),
    Route("GET", "/v2/core/events/<id>", _event),
]
