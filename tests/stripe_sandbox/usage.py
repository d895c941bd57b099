"""What a meter says about a customer and a span of time."""

from bisect import bisect_left, insort
from typing import TYPE_CHECKING

from tests.stripe_sandbox.state import Json, MeterEvent

if TYPE_CHECKING:
    from tests.stripe_sandbox.world import World

WINDOWS = {"hour": 3600, "day": 86400}


def key(meter: str, customer: str) -> str:
    """Name the stream of one customer's events on one meter."""
    return f"{meter} {customer}"


def record(world: "World", meter: Json, customer: str, event: MeterEvent) -> None:
    """Keep an event in its stream, which is ordered by time, then by arrival."""
    insort(world.state.usage[key(meter["id"], customer)], event, key=_moment)


def aggregate(world: "World", meter: Json, customer: str, *, start: int, end: int) -> int:
    """Aggregate the events with `start <= timestamp < end`; nothing used is 0.

    Events younger than the aggregation lag are not seen yet, canceled ones not any more.
    """
    seen_until = world.now - world.switches.aggregation_lag_seconds
    stream = world.state.usage.get(key(meter["id"], customer), [])
    first, after = (bisect_left(stream, (bound, 0), key=_moment) for bound in (start, end))
    events = [
        event
        for event in stream[first:after]
        if event.received_at <= seen_until and not event.canceled
    ]
    if meter["event_time_window"]:
        events = _latest_received(events, WINDOWS[meter["event_time_window"]])
    if not events:
        return 0
    match meter["default_aggregation"]["formula"]:
        case "count":
            return len(events)
        case "sum":
            return sum(event.value for event in events)
        case _:
            return _last(world, events).value


def _moment(event: MeterEvent) -> tuple[int, int]:
    return event.timestamp, event.sequence


def _last(world: "World", events: list[MeterEvent]) -> MeterEvent:
    """Return the event that a `last` meter takes, as the switches say."""
    if world.switches.last_by == "receipt":
        return max(events, key=lambda event: event.sequence)
    arrival = 1 if world.switches.ties == "last" else -1
    return max(events, key=lambda event: (event.timestamp, arrival * event.sequence))


def _latest_received(events: list[MeterEvent], window: int) -> list[MeterEvent]:
    """Keep, of each UTC hour or day, the event that arrived last (a pre-aggregated meter)."""
    kept: dict[int, MeterEvent] = {}
    for event in sorted(events, key=lambda event: event.sequence):
        kept[event.timestamp // window] = event
    return list(kept.values())
