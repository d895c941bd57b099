"""Meter events: usage as it arrives.

Checked at once: the meter, the customer key, the value, the timestamp and the identifier. An
unknown customer is not: Stripe accepts such an event and drops it later, and so does this
(`state.dropped_events` has it, no summary and no invoice does).
"""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.stripe_sandbox import usage
from tests.stripe_sandbox.errors import ApiError
from tests.stripe_sandbox.parameters import integer, required, strings, text
from tests.stripe_sandbox.routing import Call, Route
from tests.stripe_sandbox.state import Json, MeterEvent, new_id
from tests.stripe_sandbox.world import World

if TYPE_CHECKING:
    from tests.stripe_sandbox.sandbox import Sandbox

DAY = 86400
OLDEST = 35 * DAY
NEWEST = 5 * 60


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
    meter = _meter(world, params["event_name"])
    payload = params["payload"]
    customer = _customer(meter, payload)
    value = _value(meter, payload)
    timestamp = params.get("timestamp", world.now)
    _check_time(world.now, timestamp)
    identifier = params.get("identifier") or new_id("", 32)
    _check_new(world, identifier)
    world.state.identifiers[identifier] = world.now
    answer = {
        "object": "billing.meter_event",
        "created": world.now,
        "event_name": params["event_name"],
        "identifier": identifier,
        "livemode": False,
        "payload": payload,
        "timestamp": timestamp,
    }
    known = world.state.tables["customer"].get(customer)
    if known is None or known.get("deleted"):
        world.state.dropped_events.append(
            {"code": "meter_event_customer_not_found", "event": answer}
        )
        return answer
    world.state.sequence += 1
    world.state.usage[usage.key(meter["id"], customer)].append(
        MeterEvent(
            value=value,
            timestamp=timestamp,
            identifier=identifier,
            received_at=world.now,
            sequence=world.state.sequence,
        )
    )
    return answer


def _meter(world: World, event_name: str) -> Json:
    for meter in world.state.tables["billing.meter"].values():
        if meter["event_name"] == event_name:
            if meter["status"] != "active":
                raise ApiError(
                    f"The meter for event name {event_name} is archived.",
                    code="archived_meter",
                    param="event_name",
                )
            return meter
    raise ApiError(
        f'No active meter found for event name "{event_name}"',
        code="resource_missing",
        param="event_name",
    )


def _customer(meter: Json, payload: dict[str, str]) -> str:
    name = meter["customer_mapping"]["event_payload_key"]
    if not payload.get(name):
        raise ApiError(
            f"Missing required param: payload[{name}].",
            code="parameter_missing",
            param=f"payload[{name}]",
        )
    return payload[name]


def _value(meter: Json, payload: dict[str, str]) -> int:
    name = meter["value_settings"]["event_payload_key"]
    if meter["default_aggregation"]["formula"] == "count" and name not in payload:
        return 1
    given = payload.get(name)
    if given is None:
        raise ApiError(
            f"Missing required param: payload[{name}].",
            code="parameter_missing",
            param=f"payload[{name}]",
        )
    if not re.fullmatch(r"-?\d{1,15}", given):
        raise ApiError(
            f"Invalid value for payload[{name}]: {given}. Expected a whole number.",
            code="meter_event_invalid_value",
            param=f"payload[{name}]",
        )
    return int(given)


def _check_time(now: int, timestamp: int) -> None:
    if timestamp < now - OLDEST:
        raise ApiError(
            "The event timestamp cannot be more than 35 days in past. Expected a timestamp "
            f"greater than or equal to {now - OLDEST}, but received {timestamp}.",
            code="timestamp_too_far_in_past",
            param="timestamp",
        )
    if timestamp > now + NEWEST:
        raise ApiError(
            "The event timestamp cannot be more than 5 minutes in the future. Expected a "
            f"timestamp less than or equal to {now + NEWEST}, but received {timestamp}.",
            code="timestamp_in_future",
            param="timestamp",
        )


def _check_new(world: World, identifier: str) -> None:
    """Refuse an identifier seen within a day; the refusal has no code, as observed of Stripe."""
    seen = world.state.identifiers.get(identifier)
    if seen is not None and world.now - seen < DAY:
        raise ApiError(
            f"An event already exists with identifier {identifier}.",
            param="identifier",
            headers={"Stripe-Should-Retry": "false"},
        )


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
]
