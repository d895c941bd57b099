"""One API request: key, route, parameters, idempotency, handler, expansion, record."""

import base64
import json
import re
import sys
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule

from tests.stripe_sandbox import (
    account,
    checkout,
    credit_grants,
    credit_notes,
    customers,
    event_destinations,
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
    subscription_schedules,
    subscriptions,
    webhook_endpoints,
)
from tests.stripe_sandbox.errors import ApiError
from tests.stripe_sandbox.faults import Fault
from tests.stripe_sandbox.routing import Call, Route
from tests.stripe_sandbox.sandbox import Sandbox
from tests.stripe_sandbox.state import Json, Replay, new_id
from tests.stripe_sandbox.wire import HangUpError
from tests.stripe_sandbox.world import API_VERSION, World

DAY = 86400
GATEWAY_PAGE = (
    "<html>\r\n<head><title>{0}</title></head>\r\n<body>\r\n<center><h1>{0}</h1></center>\r\n"
    "</body>\r\n</html>\r\n"
)
EXPAND = {"expand": parameters.sequence(parameters.text())}
MODULES = (
    account,
    checkout,
    credit_grants,
    credit_notes,
    customers,
    event_destinations,
    events,
    previews,
    invoices,
    meter_events,
    meters,
    payment_methods,
    portal,
    prices,
    products,
    subscription_schedules,
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
    """What goes back; a fault may put HTML in its place, or nothing at all."""

    status: int
    body: Json
    headers: dict[str, str] = field(default_factory=dict)
    html: str | None = None
    hang_up: HangUpError | None = None
    performed: bool = True


def respond(sandbox: Sandbox, request: Request) -> Answer:
    """Answer a request as Stripe would, or as a fault wants it, and record both."""
    fault = sandbox.faults.of_call(request.method, request.path)
    request_id = new_id("req_", 14)
    params: dict[str, Any] = {}
    try:
        if fault is not None and not fault.performs:
            answer = _refuse(sandbox, request, request_id, fault)
        else:
            _check_key(request.headers)
            _check_limit(sandbox, request)
            route, ids = _match(request)
            params = _decode(request)
            typed = parameters.validate(params, {**route.fields, **EXPAND})
            with _guard(sandbox, route, typed):
                answer = _run(sandbox, request, request_id, (route, ids, typed), fault)
    except ApiError as refusal:
        answer = Answer(refusal.status, refusal.body(request_id), dict(refusal.headers))
        answer.performed = False
    answer.headers |= {"Request-Id": request_id, "Stripe-Version": API_VERSION}
    if key := request.headers.get("Idempotency-Key"):
        answer.headers["Idempotency-Key"] = key
    if fault is not None:
        _spoil(sandbox, answer, fault)
    silent = answer.hang_up is not None
    sandbox.log.add(
        method=request.method,
        path=request.path,
        query=request.query,
        body=request.body,
        params=params,
        headers=_masked(request.headers),
        status=0 if silent else answer.status,
        response={} if silent or answer.html else answer.body,
        at=sandbox.clock.now(),
        fault=fault,
        applied=answer.performed,
    )
    return answer


def _refuse(sandbox: Sandbox, request: Request, request_id: str, fault: Fault) -> Answer:
    """Return the answer to a call that a fault keeps from being performed."""
    match fault:
        case Fault.RATE_LIMITED:
            raise _too_many()
        case Fault.RATE_LIMITED_RETRY:
            raise _too_many({"Stripe-Should-Retry": "true"})
        case Fault.BAD_GATEWAY:
            return Answer(502, {}, html=GATEWAY_PAGE.format("502 Bad Gateway"), performed=False)
        case Fault.UNAVAILABLE:
            page = GATEWAY_PAGE.format("503 Service Temporarily Unavailable")
            return Answer(503, {}, html=page, performed=False)
        case Fault.SERVER_ERROR:
            answer = _server_error(request_id)
            answer.performed = False
            if request.method == "POST" and (key := request.headers.get("Idempotency-Key")):
                with sandbox.transaction(writes=True) as world:
                    _remember(world, key, request, answer)
            return answer
    return Answer(0, {}, performed=False)


def _too_many(headers: dict[str, str] | None = None) -> ApiError:
    return ApiError(
        "Request rate limit exceeded. You can learn more about rate limits here "
        "https://stripe.com/docs/rate-limits.",
        status=429,
        code="rate_limit",
        headers={"Stripe-Rate-Limited-Reason": "global-rate", **(headers or {})},
        replayable=False,
    )


def _check_limit(sandbox: Sandbox, request: Request) -> None:
    switches = sandbox.switches
    of_meters = request.path == "/v1/billing/meter_events"
    limit = switches.meter_events_per_second if of_meters else switches.calls_per_second
    if not sandbox.within_limit("meter events" if of_meters else "calls", limit):
        raise _too_many()


def _server_error(request_id: str) -> Answer:
    fault = ApiError("An unknown error occurred", status=500, kind="api_error")
    return Answer(500, fault.body(request_id))


def _spoil(sandbox: Sandbox, answer: Answer, fault: Fault) -> None:
    """Do to an answer what the fault wants done to it on its way."""
    match fault:
        case Fault.TIMEOUT_BEFORE | Fault.TIMEOUT_AFTER:
            time.sleep(sandbox.switches.timeout_seconds)
            answer.hang_up = HangUpError(reset=False)
        case Fault.RESET_BEFORE | Fault.RESET_AFTER:
            answer.hang_up = HangUpError(reset=True)
        case Fault.SLOW:
            time.sleep(sandbox.switches.slow_seconds)


def _run(
    sandbox: Sandbox,
    request: Request,
    request_id: str,
    matched: tuple[Route, Mapping[str, str], dict[str, Any]],
    fault: Fault | None,
) -> Answer:
    key = request.headers.get("Idempotency-Key") if request.method == "POST" else None
    writes = request.method != "GET"
    with sandbox.transaction(writes=writes, request_id=request_id, idempotency_key=key) as world:
        if key and (replayed := _replay(world, key, request)):
            return replayed
        world.loses = fault is Fault.ACCEPTED_AND_LOST
        try:
            answer = Answer(200, _handle(world, request, *matched))
        except ApiError as refusal:
            if not refusal.replayable:
                raise
            answer = Answer(refusal.status, refusal.body(request_id), dict(refusal.headers))
            answer.performed = False
        if fault is Fault.SERVER_ERROR_AFTER:
            performed = answer.performed
            answer = _server_error(request_id)
            answer.performed = performed
        if key:
            _remember(world, key, request, answer)
    return answer


def _remember(world: World, key: str, request: Request, answer: Answer) -> None:
    """Keep the first answer under an idempotency key; a fault of Stripe's is kept too."""
    kept = Replay(_fingerprint(request), answer.status, answer.body, world.now)
    world.state.replays.setdefault(key, kept)


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
    # Oldest first, since the clock never goes back: what is old is at the front.
    while replays and world.now - next(iter(replays.values())).stored_at > DAY:
        del replays[next(iter(replays))]
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
    replayed = Answer(first.status, first.body, {"Idempotent-Replayed": "true"})
    replayed.performed = False
    return replayed


def _decode(request: Request) -> dict[str, Any]:
    if request.method != "POST":
        return form.decode(request.query)
    if request.path.startswith("/v2/"):
        return form.from_json(request.body)
    return form.decode(request.body)


def _fingerprint(request: Request) -> str:
    decoded = json.dumps(_decode(request), sort_keys=True)
    return f"{request.method} {request.path} {decoded}"


def _masked(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers without the key; what every call repeats is kept once."""
    masked = {name: sys.intern(value) for name, value in headers.items()}
    return masked | {name: "Bearer ***" for name in masked if name.lower() == "authorization"}
