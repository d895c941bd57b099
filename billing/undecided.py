"""Settling what nobody knows of: sum-meter events whose last attempts Stripe did not answer.

Stripe forgets an identifier after a day, so such an event is not sent again (design rule 15).
What Stripe's meter holds in the event's minute is compared with what was delivered there: what is
there is marked as sent. What is missing waits for a person to have it sent again, and so does
whatever the figures do not decide.
"""

import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import combinations

from django.db import transaction
from django.db.models import QuerySet, Sum

from billing import gateway, metered_usage, minutes
from billing.models import BillingCustomer, MeterEvent

logger = logging.getLogger(__name__)

# Stripe sums meters up asynchronously: what was sent since then may not be seen yet.
LAG = timedelta(minutes=20)
# More in one minute than can be told apart by their values is for a person.
_MOST = 12
_NOT_MISSING = "Stripe was not shown to lack it; settle it first. It was not sent again."


class Verdict(StrEnum):
    """What the figures say of an event."""

    DELIVERED = "delivered"
    MISSING = "missing"
    UNCLEAR = "unclear"


class NotMissingError(Exception):
    """The event was not shown to be missing, so sending it again could bill twice."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of an event. Figures of its minute: held by Stripe, known to be delivered."""

    event: MeterEvent
    verdict: Verdict
    held: int
    known: int

    @property
    def sentence(self) -> str:
        """Say it with its figures."""
        return (
            f"Stripe holds {self.held} in the minute of {self.event.timestamp:%Y-%m-%d %H:%M} UTC,"
            f" {self.known} of it known to be delivered; this event has {self.event.value}:"
            f" {self.verdict}."
        )


def settle(*, now: datetime, dry_run: bool = False) -> list[Finding]:
    """Compare every undecided event with Stripe's meter and store what that decides.

    Returns what was found, without what Stripe may still be summing up. Raises GatewayError and
    NotConfiguredError; what was stored before then stays.
    """
    stripe = gateway.connect()
    meters: dict[str, str] = {}
    findings: list[Finding] = []
    for events in _by_minute(now=now):
        meters = meters or {meter.event_name: meter.id for meter in stripe.meters()}
        found = list(_judge(stripe, meters, events))
        if not dry_run:
            _store(found, now=now)
        findings += found
    return findings


def check_is_missing(event: MeterEvent) -> None:
    """Raise NotMissingError unless Stripe was shown not to have an event."""
    if event.sent_at is not None or event.undecided_at is None or event.missing_at is None:
        raise NotMissingError(_NOT_MISSING)


def resend(event: MeterEvent, *, by: str, reason: str) -> None:
    """Have an event sent again that Stripe was shown not to have, under another identifier.

    Raises NotMissingError for every other one.
    """
    changed = MeterEvent.objects.filter(
        pk=event.pk, sent_at=None, undecided_at__isnull=False, missing_at__isnull=False
    ).update(
        undecided_at=None,
        missing_at=None,
        unanswered_since=None,
        claimed_at=None,
        next_attempt_at=None,
        attempts=0,
        resends=event.resends + 1,
        identifier=f"{event.meter}-{event.source_uuid}-{event.resends + 2}",
        answer={"sent_again_by": by, "reason": reason, "before": event.answer},
    )
    if not changed:
        raise NotMissingError(_NOT_MISSING)
    logger.info("meter event to be sent again", extra={"event": event.pk, "by": by})
    # Where its period's invoice may be final, it is billed with the running one.
    metered_usage.carry_over()


def waiting() -> list[MeterEvent]:
    """Return what is undecided, oldest first."""
    undecided = MeterEvent.objects.filter(undecided_at__isnull=False, sent_at=None)
    return list(undecided.select_related("organization", "customer").order_by("undecided_at", "id"))


def _by_minute(*, now: datetime) -> Iterator[list[MeterEvent]]:
    groups: dict[tuple[int, str, datetime], list[MeterEvent]] = defaultdict(list)
    for event in waiting():
        groups[event.customer_id, event.meter, _minute(event)].append(event)
    for (customer_id, meter, minute), events in groups.items():
        beside = _beside(customer_id, meter, minute)
        is_early = any(
            event.undecided_at and now - event.undecided_at < LAG for event in events
        ) or beside.filter(sent_at__gt=now - LAG)
        # One that is still being tried may arrive at any time.
        is_moving = beside.filter(
            sent_at=None, undecided_at=None, rejected_at=None, unanswered_since__isnull=False
        )
        if not is_early and not is_moving.exists():
            yield events


def _minute(event: MeterEvent) -> datetime:
    return event.timestamp.replace(second=0, microsecond=0)


def _beside(customer_id: int, meter: str, minute: datetime) -> QuerySet[MeterEvent]:
    return MeterEvent.objects.filter(
        customer_id=customer_id,
        meter=meter,
        source_uuid__isnull=False,
        timestamp__gte=minute,
        timestamp__lt=minute + minutes.MINUTE,
    )


def _judge(
    stripe: gateway.Gateway, meters: dict[str, str], events: Sequence[MeterEvent]
) -> Iterator[Finding]:
    first, minute = events[0], _minute(events[0])
    held = stripe.summary(
        meter_id=meters[first.meter],
        customer_id=BillingCustomer.objects.get(pk=first.customer_id).stripe_customer_id,
        starts_at=minute,
        ends_at=minute + minutes.MINUTE,
    )
    delivered = _beside(first.customer_id, first.meter, minute).filter(sent_at__isnull=False)
    known = delivered.aggregate(total=Sum("value"))["total"] or 0
    there = arrived([event.value for event in events], held - known)
    for place, event in enumerate(events):
        verdict = Verdict.UNCLEAR
        if there is not None:
            verdict = Verdict.DELIVERED if place in there else Verdict.MISSING
        yield Finding(event, verdict, held, known)


def arrived(values: Sequence[int], total: int) -> set[int] | None:
    """Return which of these values make up a total, by their places; None unless that is certain.

    Every value is at least 1.
    """
    if len(values) > _MOST:
        everything = {0: set(), sum(values): set(range(len(values)))}
        return everything.get(total)
    found = [
        set(chosen)
        for size in range(len(values) + 1)
        for chosen in combinations(range(len(values)), size)
        if sum(values[place] for place in chosen) == total
    ]
    return found[0] if len(found) == 1 else None


def _store(findings: Sequence[Finding], *, now: datetime) -> None:
    with transaction.atomic(durable=True):
        for finding in findings:
            event = MeterEvent.objects.filter(
                pk=finding.event.pk, sent_at=None, undecided_at__isnull=False
            )
            answer = {"settled": finding.sentence, "before": finding.event.answer}
            if finding.verdict is Verdict.DELIVERED:
                event.update(sent_at=now, missing_at=None, answer=answer)
            elif finding.verdict is Verdict.MISSING and finding.event.missing_at is None:
                event.update(missing_at=now, answer=answer)
    for finding in findings:
        if finding.verdict is not Verdict.DELIVERED and finding.event.missing_at is None:
            logger.error(
                "an undecided meter event needs a person",
                extra={"event": finding.event.pk, "why": finding.sentence},
            )
