"""What a meter says about a customer and a span of time."""

from tests.stripe_sandbox.state import Json, MeterEvent, State

WINDOWS = {"hour": 3600, "day": 86400}


def key(meter: str, customer: str) -> str:
    """Name the stream of one customer's events on one meter."""
    return f"{meter} {customer}"


def aggregate(state: State, meter: Json, customer: str, *, start: int, end: int) -> int:
    """Aggregate the events with `start <= timestamp < end`; nothing used is 0."""
    events = [
        event
        for event in state.usage.get(key(meter["id"], customer), [])
        if start <= event.timestamp < end
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
            return max(events, key=lambda event: (event.timestamp, event.sequence)).value


def _latest_received(events: list[MeterEvent], window: int) -> list[MeterEvent]:
    """Keep, of each UTC hour or day, the event that arrived last (a pre-aggregated meter)."""
    kept: dict[int, MeterEvent] = {}
    for event in sorted(events, key=lambda event: event.sequence):
        kept[event.timestamp // window] = event
    return list(kept.values())
