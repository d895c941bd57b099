"""Meter events: usage as it arrives.

Checked at once: the meter, the customer key, the value, the timestamp and the identifier. What
`switches.late_checks` names is not, by default an unknown customer: such an event is accepted and
dropped (`state.dropped_events` has it, no summary and no invoice does), and some time later a thin
event reports it, with a few of the identifiers as samples.
"""

import re
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.stripe_sandbox import usage
from tests.stripe_sandbox.errors import ApiError, absent
from tests.stripe_sandbox.parameters import integer, mapping, required, strings, text
from tests.stripe_sandbox.routing import Call, Route
from tests.stripe_sandbox.state import Json, MeterEvent, new_id
from tests.stripe_sandbox.world import World, rfc3339

if TYPE_CHECKING:
    from tests.stripe_sandbox.sandbox import Sandbox

DAY = 86400
OLDEST = 35 * DAY
NEWEST = 5 * 60
# How many errors of one kind a report tells in full.
SAMPLES = 5


@contextmanager
def one_at_a_time(sandbox: "Sandbox", params: dict[str, Any]) -> Iterator[None]:
    """Refuse a second call in flight for the same customer and meter."""
    payload = params["payload"]
    meters = list(sandbox.state.tables["billing.meter"].values())
    names = [
        meter["customer_mapping"]["event_payload_key"]
        for meter in meters
        if meter["event_name"] == params["event_name"]
    ]
    stream = (params["event_name"], payload.get(names[0]) if names else None)
    if not sandbox.enter_flight(stream):
        raise ApiError(
            "This object cannot be accessed right now because another API request or Stripe "
            "process is currently accessing it. If you see this error intermittently, retry the "
            "request.",
            status=429,
            code="lock_timeout",
            headers={"Stripe-Rate-Limited-Reason": "resource-specific"},
            replayable=False,
        )
    try:
        if sandbox.switches.meter_event_latency:
            time.sleep(sandbox.switches.meter_event_latency)
        yield
    finally:
        sandbox.leave_flight(stream)


def _create(call: Call) -> Json:
    world, params = call.world, call.params
    payload = params["payload"]
    timestamp = params.get("timestamp", world.now)
    meter = _meter(world, params["event_name"])
    late = None
    for code, refusal in _refusals(world, meter, params["event_name"], payload, timestamp):
        if code not in world.switches.late_checks:
            raise refusal
        late = late or (code, refusal.message)
    identifier = params.get("identifier") or new_id("", 32)
    _remember(world, identifier)
    answer = {
        "object": "billing.meter_event",
        "created": world.now,
        "event_name": params["event_name"],
        "identifier": identifier,
        "livemode": False,
        "payload": payload,
        "timestamp": timestamp,
    }
    if late is not None:
        _drop(world, meter, answer, *late)
    elif meter is not None and not world.loses:
        world.state.sequence += 1
        event = MeterEvent(
            value=_value(meter, payload) or 0,
            timestamp=timestamp,
            identifier=identifier,
            received_at=world.now,
            sequence=world.state.sequence,
        )
        usage.record(world, meter, payload[_customer_key(meter)], event)
    return answer


def _meter(world: World, event_name: str) -> Json | None:
    for meter in world.state.tables["billing.meter"].values():
        if meter["event_name"] == event_name:
            return meter
    return None


def _customer_key(meter: Json) -> str:
    return str(meter["customer_mapping"]["event_payload_key"])


def _refusals(
    world: World, meter: Json | None, event_name: str, payload: dict[str, str], timestamp: int
) -> Iterator[tuple[str, ApiError]]:
    """Yield what is wrong with an event, each with the code by which a report would call it."""
    if meter is None:
        yield (
            "no_meter",
            ApiError(
                f'No active meter found for event name "{event_name}"',
                code="resource_missing",
                param="event_name",
            ),
        )
        return
    if meter["status"] != "active":
        yield (
            "archived_meter",
            ApiError(
                f"The meter for event name {event_name} is archived.",
                code="archived_meter",
                param="event_name",
            ),
        )
    yield from _wrong_payload(world, meter, payload)
    yield from _wrong_time(world.now, timestamp)


def _wrong_payload(
    world: World, meter: Json, payload: dict[str, str]
) -> Iterator[tuple[str, ApiError]]:
    customer_key, value_key = _customer_key(meter), meter["value_settings"]["event_payload_key"]
    customer = payload.get(customer_key)
    if not customer:
        yield "meter_event_no_customer_defined", absent(f"payload[{customer_key}]")
    if payload.get(value_key) is None and meter["default_aggregation"]["formula"] != "count":
        yield "meter_event_invalid_value", absent(f"payload[{value_key}]")
    elif _value(meter, payload) is None:
        yield (
            "meter_event_invalid_value",
            ApiError(
                f"Invalid value for payload[{value_key}]: {payload[value_key]}. Expected a whole "
                "number.",
                code="meter_event_invalid_value",
                param=f"payload[{value_key}]",
            ),
        )
    known = world.state.tables["customer"].get(customer or "")
    if customer and (known is None or known.get("deleted")):
        yield (
            "meter_event_customer_not_found",
            ApiError(
                f"No such customer: '{customer}'",
                code="meter_event_customer_not_found",
                param=f"payload[{customer_key}]",
            ),
        )


def _value(meter: Json, payload: dict[str, str]) -> int | None:
    """Return an event's value, or none if it is not a whole number."""
    name = meter["value_settings"]["event_payload_key"]
    if meter["default_aggregation"]["formula"] == "count" and name not in payload:
        return 1
    given = payload.get(name, "")
    return int(given) if re.fullmatch(r"-?\d{1,15}", given) else None


def _wrong_time(now: int, timestamp: int) -> Iterator[tuple[str, ApiError]]:
    if timestamp < now - OLDEST:
        yield (
            "timestamp_too_far_in_past",
            ApiError(
                "The event timestamp cannot be more than 35 days in past. Expected a timestamp "
                f"greater than or equal to {now - OLDEST}, but received {timestamp}.",
                code="timestamp_too_far_in_past",
                param="timestamp",
            ),
        )
    if timestamp > now + NEWEST:
        yield (
            "timestamp_in_future",
            ApiError(
                "The event timestamp cannot be more than 5 minutes in the future. Expected a "
                f"timestamp less than or equal to {now + NEWEST}, but received {timestamp}.",
                code="timestamp_in_future",
                param="timestamp",
            ),
        )


def _remember(world: World, identifier: str) -> None:
    """Refuse an identifier seen within a day; the refusal has no code, as observed of Stripe."""
    identifiers = world.state.identifiers
    while identifiers and world.now - next(iter(identifiers.values())) >= DAY:
        del identifiers[next(iter(identifiers))]
    if identifier in identifiers:
        raise ApiError(
            f"An event already exists with identifier {identifier}.",
            param="identifier",
            headers={"Stripe-Should-Retry": "false"},
        )
    identifiers[identifier] = world.now


def _drop(world: World, meter: Json | None, event: Json, code: str, message: str) -> None:
    dropped = {
        "at": world.now,
        "code": code,
        "event": event,
        "message": message,
        "meter": meter["id"] if meter else None,
    }
    world.state.dropped_events.append(dropped)
    world.state.unreported.append(dropped)


def report(world: World) -> None:
    """Tell what was dropped since the last report: one thin event for each meter."""
    by_meter: dict[str | None, list[Json]] = defaultdict(list)
    for dropped in world.state.unreported:
        by_meter[dropped["meter"]].append(dropped)
    world.state.unreported.clear()
    for meter, errors in by_meter.items():
        kind, related = "v1.billing.meter.no_meter_found", None
        if meter is not None:
            kind = "v1.billing.meter.error_report_triggered"
            url = f"/v1/billing/meters/{meter}"
            related = {"id": meter, "type": "billing.meter", "url": url}
        world.emit_thin(kind, related, _report(world, errors))


def _report(world: World, errors: list[Json]) -> Json:
    by_code: dict[str, list[Json]] = defaultdict(list)
    for error in errors:
        by_code[error["code"]].append(error)
    plural = "s" if len(errors) > 1 else ""
    return {
        "developer_message_summary": f"There {'are' if plural else 'is'} {len(errors)} invalid "
        f"event{plural}",
        "reason": {
            "error_count": len(errors),
            "error_types": [
                {
                    "code": code,
                    "error_count": len(alike),
                    "sample_errors": [
                        {
                            "error_message": error["message"],
                            "request": {"identifier": error["event"]["identifier"]},
                        }
                        for error in alike[:SAMPLES]
                    ],
                }
                for code, alike in by_code.items()
            ],
        },
        "validation_start": rfc3339(errors[0]["at"]),
        "validation_end": rfc3339(world.now),
    }


def _adjust(call: Call) -> Json:
    """Cancel one event; only within a day of its receipt."""
    world, params = call.world, call.params
    meter = _meter(world, params["event_name"])
    if meter is None:
        raise ApiError(
            f'No active meter found for event name "{params["event_name"]}"',
            code="resource_missing",
            param="event_name",
        )
    if not params.get("cancel", {}).get("identifier"):
        name = "cancel[identifier]"
        raise absent(name)
    identifier = params["cancel"]["identifier"]
    event = _received(world, meter, identifier)
    if event is None:
        raise ApiError(
            f"No meter event found with identifier {identifier} for event name "
            f"{params['event_name']}.",
            code="resource_missing",
            param="cancel[identifier]",
        )
    if world.now - event.received_at > DAY:
        raise ApiError(
            "Meter events can only be canceled within 24 hours of being received.",
            param="cancel[identifier]",
        )
    event.canceled = True
    return {
        "object": "billing.meter_event_adjustment",
        "cancel": {"identifier": identifier},
        "event_name": params["event_name"],
        "livemode": False,
        "status": "pending" if world.switches.aggregation_lag_seconds else "complete",
        "type": "cancel",
    }


def _received(world: World, meter: Json, identifier: str) -> MeterEvent | None:
    """Return the event last received under an identifier."""
    found = [
        event
        for stream, events in world.state.usage.items()
        if stream.startswith(f"{meter['id']} ")
        for event in events
        if event.identifier == identifier
    ]
    return max(found, key=lambda event: event.sequence, default=None)


ROUTES = [
    Route(
        "POST",
        "/v1/billing/meter_events",
        _create,
        {
            "event_name": required(text(maximum=100)),
            "identifier": text(maximum=100),
            "payload": required(strings()),
            "timestamp": integer(),
        },
        guard=one_at_a_time,
    ),
    Route(
        "POST",
        "/v1/billing/meter_event_adjustments",
        _adjust,
        {
            "cancel": mapping({"identifier": text(maximum=100)}),
            "event_name": required(text(maximum=100)),
            "type": required(text(choices=("cancel",))),
        },
    ),
]
