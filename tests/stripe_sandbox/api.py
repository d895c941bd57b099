"""One API request: key, route, parameters, idempotency, handler, expansion, record."""

import base64
import json
import re
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule

from tests.stripe_sandbox import (
    account,
    checkout,
    customers,
    events,
    expansion,
    form,
    invoices,
    meter_events,
    meters,
    parameters,
    payment_methods,
    portal,
    previews,
    prices,
    products,
    subscriptions,
    webhook_endpoints,
)
from tests.stripe_sandbox.errors import ApiError
from tests.stripe_sandbox.routing import Call, Route
from tests.stripe_sandbox.sandbox import Sandbox
from tests.stripe_sandbox.state import Json, Replay, new_id
from tests.stripe_sandbox.world import API_VERSION, World

DAY = 86400
EXPAND = {"expand": parameters.sequence(parameters.text())}
MODULES = (
    account,
    checkout,
    customers,
    events,
    previews,
    invoices,
    meter_events,
    meters,
    payment_methods,
    portal,
    prices,
    products,
    subscriptions,
    webhook_endpoints,
)
ROUTES: list[Route] = [route for module in MODULES for route in module.ROUTES]
MAP = Map(
    [Rule(route.path, methods=[route.method], endpoint=route) for route in ROUTES],
    strict_slashes=False,
    redirect_defaults=False,
)


@dataclass(slots=True)
class Request:
    """What came over the wire."""

    method: str
    path: str
    query: str
    body: str
    headers: Mapping[str, str]


@dataclass(slots=True)
class Answer:
    """What goes back."""

    status: int
    body: Json
    headers: dict[str, str] = field(default_factory=dict)


def respond(sandbox: Sandbox, request: Request) -> Answer:
    """Answer a request as Stripe would, and record both."""
    request_id = new_id("req_", 14)
    params: dict[str, Any] = {}
    try:
        _check_key(request.headers)
        route, ids = _match(request)
        params = form.decode(request.query if request.method != "POST" else request.body)
        typed = parameters.validate(params, {**route.fields, **EXPAND})
        with _guard(sandbox, route, typed):
            answer = _run(sandbox, request, request_id, (route, ids, typed))
    except ApiError as refusal:
        answer = Answer(refusal.status, refusal.body(request_id), dict(refusal.headers))
    answer.headers |= {"Request-Id": request_id, "Stripe-Version": API_VERSION}
    if key := request.headers.get("Idempotency-Key"):
        answer.headers["Idempotency-Key"] = key
    sandbox.log.add(
        method=request.method,
        path=request.path,
        query=request.query,
        body=request.body,
        params=params,
        headers=_masked(request.headers),
        status=answer.status,
        response=answer.body,
        at=sandbox.clock.now(),
    )
    return answer


def _run(
    sandbox: Sandbox,
    request: Request,
    request_id: str,
    matched: tuple[Route, Mapping[str, str], dict[str, Any]],
) -> Answer:
    key = request.headers.get("Idempotency-Key") if request.method == "POST" else None
    writes = request.method != "GET"
    with sandbox.transaction(writes=writes, request_id=request_id, idempotency_key=key) as world:
        if key and (replayed := _replay(world, key, request)):
            return replayed
        try:
            answer = Answer(200, _handle(world, request, *matched))
        except ApiError as refusal:
            if not refusal.replayable:
                raise
            answer = Answer(refusal.status, refusal.body(request_id), dict(refusal.headers))
        if key:
            world.state.replays[key] = Replay(
                _fingerprint(request), answer.status, answer.body, world.now
            )
    return answer


def _handle(
    world: World,
    request: Request,
    route: Route,
    ids: Mapping[str, str],
    typed: dict[str, Any],
) -> Json:
    paths = typed.pop("expand", [])
    body = route.handle(Call(world=world, path=request.path, ids=ids, params=typed))
    expansion.apply(world, body, paths)
    return body


def _guard(sandbox: Sandbox, route: Route, params: dict[str, Any]) -> AbstractContextManager[None]:
    return route.guard(sandbox, params) if route.guard else nullcontext()


def _match(request: Request) -> tuple[Route, Mapping[str, str]]:
    try:
        route, ids = MAP.bind("").match(request.path, method=request.method)
    except HTTPException:
        raise ApiError(
            f"Unrecognized request URL ({request.method}: {request.path}). The sandbox serves only "
            "a part of Stripe's API.",
            status=404,
            replayable=False,
        ) from None
    assert isinstance(route, Route)
    return route, ids


def _check_key(headers: Mapping[str, str]) -> None:
    key = _key(headers.get("Authorization", ""))
    if not key:
        problem = (
            "You did not provide an API key. You need to provide your API key in the Authorization "
            "header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY')."
        )
    elif re.match(r"(sk|rk|pk)_live_", key):
        problem = (
            "This is a sandbox, not Stripe: it refuses live keys. Use a key that begins with "
            "sk_test_, and treat the live key as seen by somebody else."
        )
    elif not re.match(r"(sk|rk)_test_\w+", key):
        problem = f"Invalid API Key provided: {key[:7]}***{key[-4:]}"
    else:
        return
    raise ApiError(problem, status=401, replayable=False)


def _key(authorization: str) -> str:
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value).decode().split(":", 1)[0]
        except ValueError:
            return ""
    return value.strip() if scheme.lower() == "bearer" else ""


def _replay(world: World, key: str, request: Request) -> Answer | None:
    if len(key) > 255:
        raise ApiError(
            "Idempotency keys may have at most 255 characters.",
            kind="idempotency_error",
            replayable=False,
        )
    replays = world.state.replays
    for old in [name for name, kept in replays.items() if world.now - kept.stored_at > DAY]:
        del replays[old]
    first = replays.get(key)
    if first is None:
        return None
    if first.fingerprint != _fingerprint(request):
        raise ApiError(
            "Keys for idempotent requests can only be used with the same parameters they were "
            f"first used with. Try using a key other than '{key}' if you meant to execute a "
            "different request.",
            kind="idempotency_error",
            replayable=False,
        )
    return Answer(first.status, first.body, {"Idempotent-Replayed": "true"})


def _fingerprint(request: Request) -> str:
    decoded = json.dumps(form.decode(request.body), sort_keys=True)
    return f"{request.method} {request.path} {decoded}"


def _masked(headers: Mapping[str, str]) -> dict[str, str]:
    hidden = {"authorization": "Bearer ***"}
    return {name: hidden.get(name.lower(), value) for name, value in headers.items()}
