"""Judging the figures of usage that adds up: what differs, causes before effects. Pure."""

from collections.abc import Iterator
from datetime import timedelta

from billing.drift import Difference
from billing.models import Drift, MeterEvent
from billing.usage_figures import UsageFigures

# Everything is looked through each hour, so what has no event after this has been forgotten.
FORGOTTEN = timedelta(hours=3)

Reason = Drift.Reason
_SOURCE = {MeterEvent.Meter.METRICS: "report", MeterEvent.Meter.RUNNER_MINUTES: "call"}
_UNIT = {MeterEvent.Meter.METRICS: "metric", MeterEvent.Meter.RUNNER_MINUTES: "minute"}


def differences(
    meter: MeterEvent.Meter, figures: UsageFigures, held: int | None
) -> Iterator[Difference]:
    """Yield everything that differs; `held` is what Stripe's meter has, None where unknown."""
    yield from _posted(meter, figures)
    if figures.rejected:
        yield Difference(
            Reason.REJECTED,
            f"Stripe rejected {_number(figures.rejected, 'event')} of"
            f" {_number(figures.rejected_value, _UNIT[meter])}.",
        )
    if figures.undelivered:
        yield Difference(
            Reason.NOT_DELIVERED,
            f"{_number(figures.undelivered, 'event')} of"
            f" {_number(figures.undelivered_value, _UNIT[meter])} not delivered.",
        )
    if held is not None and not 0 <= held - figures.delivered <= figures.perhaps:
        perhaps = f" and perhaps {figures.perhaps} more" if figures.perhaps else ""
        yield Difference(
            Reason.STRIPE,
            f"Stripe's meter holds {_number(held, _UNIT[meter])}, delivered was"
            f" {figures.delivered}{perhaps}.",
        )


def _posted(meter: MeterEvent.Meter, figures: UsageFigures) -> Iterator[Difference]:
    """Compare what was used with what the outbox has of it."""
    source = _SOURCE[meter]
    if figures.unposted:
        yield Difference(
            Reason.NOT_POSTED,
            f"No event for {_number(figures.unposted, source)} of"
            f" {_number(figures.unposted_value, _UNIT[meter])}.",
        )
    if figures.altered:
        yield Difference(
            Reason.OUTBOX,
            f"{_number(figures.altered, 'event')} with another value than the {source} has.",
        )
    if figures.orphans:
        yield Difference(
            Reason.OUTBOX,
            f"{_number(figures.orphans, 'event')} for no {source} that is known.",
        )


def _number(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
