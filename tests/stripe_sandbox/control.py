"""Control endpoints under /_sandbox, which Stripe does not have, for the process form.

GET  clock, next, requests?after=N, deliveries?after=N, faults, switches
POST clock     {"to": unix timestamp}
POST faults    {"call": "POST /v1/customers", "fault": "timeout_after", "count": 2}
               {"rate": 0.3, "seed": 7, "kinds": ["server_error"], "calls": "*"}
               {"webhook": "invoice.created", "fault": "lost"}
               {"webhook_rate": 0.3, "seed": 7, "shuffle": true}
               {"clear": true}
POST switches  {"aggregation_lag_seconds": 600}
"""

from collections.abc import Callable
from dataclasses import asdict, fields
from typing import Any

from werkzeug import Request

from tests.stripe_sandbox.errors import ApiError
from tests.stripe_sandbox.faults import ANSWERLESS, Fault, WebhookFault
from tests.stripe_sandbox.sandbox import Sandbox
from tests.stripe_sandbox.world import Switches

Json = dict[str, Any]


def answer(sandbox: Sandbox, request: Request) -> Json:
    """Return what a control endpoint says, or refuse."""
    what = request.path.removeprefix("/_sandbox/")
    if request.method == "GET" and what in READ:
        return READ[what](sandbox, request.args.get("after", 0, type=int))
    if request.method == "POST" and what in CHANGE:
        return CHANGE[what](sandbox, _document(request))
    raise ApiError("No such control endpoint.", status=404)


def _clock(sandbox: Sandbox) -> Json:
    return {"now": sandbox.clock.now(), "offset": sandbox.clock.offset}


def _caught_up(sandbox: Sandbox) -> Json:
    sandbox.catch_up()
    return _clock(sandbox)


def _document(request: Request) -> Json:
    given: Any = request.get_json(silent=True) if request.is_json else request.form.to_dict()
    if not isinstance(given, dict):
        raise ApiError("Send a JSON object.")
    return given


def _advance(sandbox: Sandbox, given: Json) -> Json:
    try:
        instant = int(given["to"])
    except (KeyError, TypeError, ValueError):
        raise ApiError('Send {"to": unix timestamp}.', param="to") from None
    sandbox.advance(instant)
    return _clock(sandbox)


def _set_faults(sandbox: Sandbox, given: Json) -> Json:
    faults = sandbox.faults
    try:
        match given:
            case {"clear": True}:
                faults.clear()
            case {"call": str(call), "fault": fault, **more}:
                faults.next(call, Fault(fault), count=more.get("count", 1))
            case {"rate": share, "seed": int(seed), **more}:
                kinds = [Fault(kind) for kind in more.get("kinds", ANSWERLESS)]
                row = more.get("in_a_row")
                calls = more.get("calls", "*")
                faults.rate(float(share), seed=seed, kinds=kinds, calls=calls, in_a_row=row)
            case {"webhook": str(event), "fault": fault, **more}:
                faults.next_webhook(event, WebhookFault(fault), count=more.get("count", 1))
            case {"webhook_rate": share, "seed": int(seed), **more}:
                faults.webhook_rate(
                    float(share),
                    seed=seed,
                    kinds=[WebhookFault(kind) for kind in more.get("kinds", WebhookFault)],
                    events=more.get("events", "*"),
                    shuffle=bool(more.get("shuffle")),
                )
            case _:
                raise ApiError("Say clear, call, rate, webhook or webhook_rate.")
    except (TypeError, ValueError) as error:
        raise ApiError(str(error)) from None
    return faults.shown()


def _set_switches(sandbox: Sandbox, given: Json) -> Json:
    switches = sandbox.switches
    known = {switch.name for switch in fields(Switches)}
    if unknown := given.keys() - known:
        raise ApiError(f"No such switch: {', '.join(sorted(unknown))}.")
    for name, value in given.items():
        before = getattr(switches, name)
        setattr(switches, name, type(before)(value))
    return asdict(switches)


READ: dict[str, Callable[[Sandbox, int], Json]] = {
    "clock": lambda sandbox, _: _caught_up(sandbox),
    "next": lambda sandbox, _: {"at": sandbox.next_at()},
    "requests": lambda sandbox, after: {"requests": sandbox.log.after(after)},
    "deliveries": lambda sandbox, after: {"deliveries": sandbox.log.deliveries_after(after)},
    "faults": lambda sandbox, _: sandbox.faults.shown(),
    "switches": lambda sandbox, _: asdict(sandbox.switches),
}
CHANGE: dict[str, Callable[[Sandbox, Json], Json]] = {
    "clock": _advance,
    "faults": _set_faults,
    "switches": _set_switches,
}
