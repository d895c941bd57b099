"""Single events of the outbox: holding one back, letting it go, sending a refused one again."""

import logging
from datetime import datetime
from typing import Any

from billing import claims, metered_usage
from billing.models import MeterEvent

logger = logging.getLogger(__name__)


class NotPossibleError(Exception):
    """The event is not in a state in which that can be done; the message says why."""


def check_can_be_held(event: MeterEvent) -> None:
    """Raise NotPossibleError unless the event waits to be sent and nobody is sending it."""
    if event.state is not MeterEvent.State.WAITING:
        raise NotPossibleError(f"Only what waits can be held back; it is {event.state.label}.")
    if event.claimed_at is not None:
        raise NotPossibleError("It is being sent just now, or was, unanswered. Try again later.")


def hold(event: MeterEvent, *, now: datetime) -> None:
    """Keep an event from being sent until it is let go. Raises NotPossibleError.

    It still is superseded by a newer value of its period, and still expires.
    """
    check_can_be_held(event)
    _change(event, {"claimed_at": None, "rejected_at": None, "held_at": None}, held_at=now)


def check_can_be_let_go(event: MeterEvent) -> None:
    """Raise NotPossibleError unless the event is held back."""
    if event.state is not MeterEvent.State.HELD:
        raise NotPossibleError(f"It is not held back; it is {event.state.label}.")


def let_go(event: MeterEvent) -> None:
    """Let an event be sent that was held back. Raises NotPossibleError."""
    check_can_be_let_go(event)
    # What adds up is billed with the running period where its own may be invoiced by now.
    metered_usage.carry_over()
    _change(event, {"rejected_at": None, "held_at__isnull": False}, held_at=None)


def check_can_be_sent_again(event: MeterEvent, *, now: datetime) -> None:
    """Raise NotPossibleError unless Stripe refused the event, and could take it now."""
    if event.state is not MeterEvent.State.REJECTED:
        raise NotPossibleError(f"Stripe did not reject it; it is {event.state.label}.")
    if event.timestamp <= now - claims.EXPIRES_AFTER:
        raise NotPossibleError("It is too old: Stripe takes nothing of more than 35 days ago.")
    newer = _newer(event)
    if newer is not None:
        raise NotPossibleError(
            f"A newer value of its period is stored, {newer.value:,}: the last one counts."
        )


def send_again(event: MeterEvent, *, now: datetime) -> None:
    """Have an event sent again that Stripe refused, once its cause is mended there.

    A refused event took no identifier at Stripe, so it can't be billed twice. Raises
    NotPossibleError.
    """
    check_can_be_sent_again(event, now=now)
    _change(
        event,
        {"rejected_at__isnull": False, "expired_at": None},
        rejected_at=None,
        claimed_at=None,
        claim=None,
        next_attempt_at=None,
        unanswered_since=None,
        attempts=0,
        resends=event.resends + 1,
    )
    metered_usage.carry_over()


def _newer(event: MeterEvent) -> MeterEvent | None:
    if event.period_id is None:
        return None
    return (
        MeterEvent.objects.filter(
            customer_id=event.customer_id,
            meter=event.meter,
            period_id=event.period_id,
            timestamp__gt=event.timestamp,
        )
        .order_by("-timestamp")
        .first()
    )


def _change(event: MeterEvent, condition: dict[str, Any], **changes: Any) -> None:
    # Compare and set: the sender may have taken it since it was looked at.
    unsent = MeterEvent.objects.filter(
        pk=event.pk, sent_at=None, superseded_at=None, undecided_at=None
    )
    if not unsent.filter(**condition).update(**changes):
        raise NotPossibleError("It has changed since it was looked at. Nothing was done.")
    logger.warning("meter event changed by staff", extra={"event": event.pk, **_plain(changes)})


def _plain(changes: dict[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in changes.items()}
