"""Webhook endpoints; the secret is shown once, when one is created."""

import re

from tests.stripe_sandbox.errors import ApiError
from tests.stripe_sandbox.parameters import boolean, required, sequence, strings, text
from tests.stripe_sandbox.routing import Call, Route, listing, retrieve
from tests.stripe_sandbox.state import Json, new_id
from tests.stripe_sandbox.world import merge_metadata

EVENT = re.compile(r"\*|[a-z_]+(\.[a-z_]+)+")


def _create(call: Call) -> Json:
    world, params = call.world, call.params
    _check(params["url"], params["enabled_events"])
    endpoint = world.add(
        {
            "id": new_id("we_"),
            "object": "webhook_endpoint",
            "api_version": params.get("api_version"),
            "application": None,
            "created": world.now,
            "description": params.get("description"),
            "enabled_events": params["enabled_events"],
            "livemode": False,
            "metadata": params.get("metadata", {}),
            "secret": new_id("whsec_", 32),
            "status": "enabled",
            "url": params["url"],
        }
    )
    return world.render(endpoint) | {"secret": endpoint["secret"]}


def _update(call: Call) -> Json:
    world, params = call.world, call.params
    endpoint = world.find("webhook_endpoint", call.ids["id"])
    _check(params.get("url"), params.get("enabled_events", []))
    names = ("description", "enabled_events", "url")
    endpoint.update({name: params[name] for name in names if name in params})
    if "disabled" in params:
        endpoint["status"] = "disabled" if params["disabled"] else "enabled"
    merge_metadata(endpoint, params.get("metadata"))
    return world.render(endpoint)


def _delete(call: Call) -> Json:
    endpoint = call.world.find("webhook_endpoint", call.ids["id"])
    del call.world.state.tables["webhook_endpoint"][endpoint["id"]]
    return {"id": endpoint["id"], "object": "webhook_endpoint", "deleted": True}


def _check(url: str | None, enabled_events: list[str]) -> None:
    if url is not None and not re.match(r"https?://", url):
        raise ApiError("Invalid URL: An explicit scheme (such as https) must be provided.")
    for position, name in enumerate(enabled_events):
        if not EVENT.fullmatch(name):
            raise ApiError(
                f"Invalid enabled_events[{position}]: {name}", param=f"enabled_events[{position}]"
            )


ROUTES = [
    Route(
        "POST",
        "/v1/webhook_endpoints",
        _create,
        {
            "api_version": text(),
            "connect": boolean(),
            "description": text(clearable=True),
            "enabled_events": required(sequence(text())),
            "metadata": strings(),
            "url": required(text()),
        },
    ),
    listing("webhook_endpoint", "/v1/webhook_endpoints"),
    retrieve("webhook_endpoint", "/v1/webhook_endpoints/<id>"),
    Route(
        "POST",
        "/v1/webhook_endpoints/<id>",
        _update,
        {
            "description": text(clearable=True),
            "disabled": boolean(),
            "enabled_events": sequence(text()),
            "metadata": strings(),
            "url": text(),
        },
    ),
    Route("DELETE", "/v1/webhook_endpoints/<id>", _delete),
]
