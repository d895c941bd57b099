"""The nightly sweep: every active Pro organization's cumulative count is posted, come what may.

A lost hint, a dead broker and a quiet organization (which would bill zero) all heal here.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import DatabaseError, transaction

from billing import posting
from billing.models import METERED_STATUSES, BillingPeriod, Level, MeterEvent, Plan

logger = logging.getLogger(__name__)

CHUNK = 1000
PRE_CLOSE = timedelta(minutes=5)

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Swept:
    """How a sweep went."""

    plans: int
    events: int
    failed: int


def run(*, on: date, progress: Progress | None = None) -> Swept:
    """Store one event per metered Pro plan, period and day; a second run stores nothing more.

    A plan that fails is logged and left out; the others go on.
    """
    chunks = list(_chunks())
    total, done, events, failed = sum(map(len, chunks)), 0, 0, 0
    for chunk in chunks:
        stored, bad = _isolated(chunk, reason=MeterEvent.Reason.SWEEP, on=on)
        done, events, failed = done + len(chunk), events + stored, failed + bad
        if progress:
            progress(done, total)
    return Swept(plans=total, events=events, failed=failed)


def preview(*, progress: Progress | None = None) -> Iterator[tuple[int, int, int | None]]:
    """Yield (organization, value, last posted value) of what a sweep would store now."""
    chunks = list(_chunks())
    total, done = sum(map(len, chunks)), 0
    for chunk in chunks:
        yield from posting.preview(chunk)
        done += len(chunk)
        if progress:
            progress(done, total)


def pre_close(*, now: datetime) -> int:
    """Post once more for periods that end within five minutes; returns how many were stored.

    So that even with close dead the bill is at most minutes old.
    """
    ending = BillingPeriod.objects.filter(
        state=BillingPeriod.State.OPEN, ends_at__gt=now, ends_at__lte=now + PRE_CLOSE
    ).exclude(meter_events__reason=MeterEvent.Reason.PRE_CLOSE)
    plan_ids = sorted(ending.values_list("plan_id", flat=True))
    stored, _ = _isolated(plan_ids, reason=MeterEvent.Reason.PRE_CLOSE, on=None)
    return stored


def _chunks() -> Iterator[list[int]]:
    plans = Plan.objects.filter(
        ended_at=None, level=Level.PRO, status__in=METERED_STATUSES
    ).order_by("id")
    after = 0
    while chunk := list(plans.filter(id__gt=after).values_list("id", flat=True)[:CHUNK]):
        yield chunk
        after = chunk[-1]


def _isolated(chunk: list[int], *, reason: MeterEvent.Reason, on: date | None) -> tuple[int, int]:
    """Store a chunk in one go, or plan by plan where one fails; returns (stored, failed)."""
    try:
        return _store(chunk, reason=reason, on=on), 0
    except DatabaseError:
        logger.exception("a chunk failed; going on plan by plan", extra={"reason": reason})
    stored = failed = 0
    for plan_id in chunk:
        try:
            stored += _store([plan_id], reason=reason, on=on)
        except DatabaseError:
            failed += 1
            logger.exception("a plan failed", extra={"plan": plan_id, "reason": reason})
    return stored, failed


def _store(plan_ids: list[int], *, reason: MeterEvent.Reason, on: date | None) -> int:
    with transaction.atomic(durable=True):
        stored = posting.store(plan_ids, reason=reason, sweep_date=on, even_if_unchanged=True)
    return len(stored)
