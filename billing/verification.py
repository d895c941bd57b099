"""Verifying: seeing at Stripe that a closed period's count is there, before its invoice is final.

From the moment the period has ended, the draft's finalization is moved out, so that nothing is
final that is not proven. Stripe's summary is then asked until it shows the statement's count; what
it does not show after its aggregation had time is sent again, as a new event a second later in the
same minute (Stripe refuses the old identifier as a repeat). Once it shows, the evidence's hash is
written into the draft, so that others hold it too, and the finalization is moved back in.

All of it runs by timer and can be repeated at any point: when the draft would have been final
stands in its own metadata.
"""

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from django.db import DatabaseError, connection, transaction

from bencher import dates
from billing import gateway, minutes, settlement
from billing.drift import LAG
from billing.meter_readings import Readings
from billing.models import MeterEvent, Verification

logger = logging.getLogger(__name__)

POSTPONED_BY = timedelta(days=1)
# A draft is released to its own instant, and not sooner than Stripe and we can both see it.
RELEASED_IN = timedelta(minutes=5)
# People have this long to act before an unverified invoice is final.
ALERT_BEFORE = timedelta(hours=6)
BATCH = 200
# Stripe's general limit is 100 calls a second in live mode and 25 in test mode.
THREADS = 4

# In the draft's metadata.
STATEMENT = "bencher_statement"
HASH = "bencher_evidence_sha256"
FINALIZES_AT = "bencher_finalizes_at"


@dataclass(frozen=True, slots=True)
class Subject:
    """An ended period that is not done, with its statement and closing event where they exist."""

    period_id: int
    organization_id: int
    stripe_subscription_id: str
    price_id: str
    customer_id: str
    starts_at: datetime
    ends_at: datetime
    invoiced_until: datetime | None
    verified_at: datetime | None
    statement_uuid: str | None
    series: int | None
    sha256: str | None
    event_id: int | None
    event_sent_at: datetime | None
    is_frozen: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look at Stripe found and did for one period."""

    held: int | None = None
    verified: bool = False
    invoice_id: str = ""
    finalizes_at: datetime | None = None
    postponed: bool = False
    noted: bool = False
    released: bool = False
    final: bool = False
    failure: str = ""

    @property
    def done(self) -> bool:
        """Tell whether nothing is left to do for the period."""
        return self.verified and (self.final or (self.noted and self.released))


@dataclass(frozen=True, slots=True)
class Round:
    """How a round of verifying went, in periods."""

    looked_at: int = 0
    verified: int = 0
    resent: int = 0
    failed: int = 0


_DUE = """
SELECT period.id, period.organization_id, period.stripe_subscription_id, period.stripe_price_id,
       customer.stripe_customer_id, period.starts_at, period.ends_at,
       period.invoiced_until, verification.verified_at,
       statement.uuid::text, statement.series, statement.evidence_sha256,
       closing.id, closing.sent_at,
       EXISTS (SELECT FROM billing_freeze frozen
               WHERE frozen.organization_id = period.organization_id AND frozen.ended_at IS NULL)
FROM billing_billingperiod period
JOIN billing_plan plan ON plan.id = period.plan_id AND plan.level = 'pro'
JOIN billing_billingcustomer customer ON customer.organization_id = period.organization_id
LEFT JOIN billing_verification verification ON verification.period_id = period.id
LEFT JOIN billing_statement statement ON statement.period_id = period.id
LEFT JOIN LATERAL (
    SELECT id, sent_at FROM billing_meterevent event
    WHERE event.customer_id = customer.id AND event.meter = 'active_series'
      AND event.period_id = period.id AND event.reason = 'close'
    ORDER BY timestamp DESC LIMIT 1
) closing ON true
WHERE period.state IN ('open', 'frozen') AND period.ends_at <= %(now)s
  -- Closed while nothing was billed: there is nothing at Stripe to be proven.
  AND (statement.id IS NULL OR closing.id IS NOT NULL)
  AND (verification.period_id IS NULL
       OR verification.done_at IS NULL AND verification.next_check_at <= %(now)s)
  AND (period.ends_at, period.id) > (%(after_end)s, %(after_id)s)
ORDER BY period.ends_at, period.id
LIMIT %(batch)s
"""


def run(*, now: datetime) -> Round:
    """Go on with every ended period that is not done; one that fails does not stop the others."""
    total, after = Round(), (datetime(1970, 1, 1, tzinfo=UTC), 0)
    while subjects := _due(now=now, after=after):
        for subject, seen in _look(subjects, now=now):
            try:
                resent = _store(subject, seen, now=now)
            except DatabaseError as error:
                logger.exception("not verified", extra={"period": subject.period_id})
                total = _add(total, subject, replace(seen, failure=str(error)), resent=False)
            else:
                total = _add(total, subject, seen, resent=resent)
        after = (subjects[-1].ends_at, subjects[-1].period_id)
    return total


def _due(*, now: datetime, after: tuple[datetime, int]) -> list[Subject]:
    with connection.cursor() as cursor:
        cursor.execute(
            _DUE, {"now": now, "after_end": after[0], "after_id": after[1], "batch": BATCH}
        )
        return [Subject(*row) for row in cursor.fetchall()]


def _look(subjects: list[Subject], *, now: datetime) -> Iterator[tuple[Subject, Seen]]:
    look = _Look(now=now)
    with ThreadPoolExecutor(max_workers=THREADS) as pool:
        yield from zip(subjects, pool.map(look.at, subjects), strict=True)


class _Look:
    """Looks at many periods from several threads, which use no database."""

    def __init__(self, *, now: datetime) -> None:
        self._now = now
        self._readings = Readings()
        self._stripe_is_down = threading.Event()

    def at(self, subject: Subject) -> Seen:
        """Look at one period at Stripe and do there what is due."""
        if self._stripe_is_down.is_set():
            return Seen(failure="Stripe does not answer.")
        seen = Seen(verified=subject.verified_at is not None)
        for step in (self._verify, self._draft):
            try:
                seen = step(subject, seen)
            except gateway.TemporaryError as error:
                self._stripe_is_down.set()
                return replace(seen, failure=str(error))
            except (gateway.RefusedError, gateway.NotConfiguredError) as error:
                logger.exception("not verified", extra={"period": subject.period_id})
                seen = replace(seen, failure=str(error))
        return seen

    def _verify(self, subject: Subject, seen: Seen) -> Seen:
        if seen.verified or subject.series is None:
            return seen
        held = self._readings.held(
            price_id=subject.price_id,
            customer_id=subject.customer_id,
            starts_at=subject.starts_at,
            ends_at=subject.ends_at,
        )
        # Also where the count equals an older value: only what was delivered is known to last.
        delivered = subject.event_sent_at is not None
        return replace(seen, held=held, verified=delivered and held == subject.series)

    def _draft(self, subject: Subject, seen: Seen) -> Seen:
        found = _invoice_of(subject)
        if found is None:
            return seen
        seen = replace(seen, invoice_id=found.id, finalizes_at=found.finalizes_at)
        if found.status != "draft":
            return replace(seen, final=True, finalizes_at=None)
        if subject.is_frozen and FINALIZES_AT in found.metadata:
            return self._postpone_again(found, seen)
        if subject.is_frozen or not seen.verified:
            return self._postpone(found, seen)
        return self._release(found, subject, seen)

    def _postpone_again(self, draft: gateway.Invoice, seen: Seen) -> Seen:
        """Put a draft off as long as billing stands still; its own instant stays noted in it."""
        if draft.finalizes_at is None or draft.finalizes_at - self._now > POSTPONED_BY / 2:
            return seen
        moved = gateway.connect().finalize_later(draft.id, at=self._now + POSTPONED_BY)
        return replace(seen, finalizes_at=moved.finalizes_at)

    def _postpone(self, draft: gateway.Invoice, seen: Seen) -> Seen:
        if FINALIZES_AT in draft.metadata or draft.finalizes_at is None:
            return seen
        moved = gateway.connect().finalize_later(
            draft.id,
            at=draft.finalizes_at + POSTPONED_BY,
            notes={FINALIZES_AT: dates.rfc3339(draft.finalizes_at)},
        )
        return replace(seen, postponed=True, finalizes_at=moved.finalizes_at)

    def _release(self, draft: gateway.Invoice, subject: Subject, seen: Seen) -> Seen:
        notes = {STATEMENT: subject.statement_uuid or "", HASH: subject.sha256 or ""}
        if draft.metadata.get(HASH) != subject.sha256:
            draft = gateway.connect().note_on_invoice(draft.id, notes)
        seen = replace(seen, noted=True)
        own = draft.metadata.get(FINALIZES_AT)
        if own is None or draft.finalizes_at is None:
            return replace(seen, released=True)
        at = max(datetime.fromisoformat(own), self._now + RELEASED_IN)
        if draft.finalizes_at > at:
            draft = gateway.connect().finalize_later(draft.id, at=at)
        return replace(seen, released=True, finalizes_at=draft.finalizes_at)


def _invoice_of(subject: Subject) -> gateway.Invoice | None:
    invoices = gateway.connect().invoices_of(
        subject.stripe_subscription_id,
        # Stripe writes whole seconds.
        created_from=subject.ends_at - minutes.MINUTE,
    )
    for invoice in invoices:
        if settlement.lines_of(
            invoice,
            price_id=subject.price_id,
            starts_at=subject.starts_at,
            ends_at=subject.ends_at,
            invoiced_until=subject.invoiced_until,
        ):
            return invoice
    return None


def _store(subject: Subject, seen: Seen, *, now: datetime) -> bool:
    """Store what was seen and send the closing event again where it is missing."""
    with transaction.atomic(durable=True):
        row, _ = Verification.objects.select_for_update().get_or_create(
            period_id=subject.period_id, defaults={"checked_at": now, "next_check_at": now}
        )
        resent = _is_lost(subject, seen, now=now) and _send_again(subject)
        _note(row, seen, now=now)
        row.resends += resent
        row.next_check_at = now + _pause(now - subject.ends_at)
        row.save()
    _alert(subject, row, now=now)
    return resent


def _note(row: Verification, seen: Seen, *, now: datetime) -> None:
    row.checked_at, row.failure = now, seen.failure
    row.held = row.held if seen.held is None else seen.held
    row.stripe_invoice_id = seen.invoice_id or row.stripe_invoice_id
    if seen.invoice_id:
        row.finalizes_at = seen.finalizes_at
    row.verified_at = row.verified_at or (now if seen.verified else None)
    row.postponed_at = row.postponed_at or (now if seen.postponed else None)
    row.noted_at = row.noted_at or (now if seen.noted else None)
    row.released_at = row.released_at or (now if seen.released else None)
    row.done_at = row.done_at or (now if seen.done else None)
    if seen.final and row.verified_at is None:
        row.passed_unverified_at = row.passed_unverified_at or now


def _is_lost(subject: Subject, seen: Seen, *, now: datetime) -> bool:
    """Tell whether Stripe had time to show what it was sent, and does not."""
    return (
        seen.held is not None
        and not seen.verified
        and subject.event_sent_at is not None
        and now - subject.event_sent_at > LAG
    )


def _send_again(subject: Subject) -> bool:
    """Store the closing value as a new event, one second later; False at the minute's end."""
    assert subject.event_id is not None
    latest = MeterEvent.objects.get(pk=subject.event_id)
    at = latest.timestamp + timedelta(seconds=1)
    if at >= minutes.last_minute(subject.ends_at) + minutes.MINUTE:
        return False
    MeterEvent.objects.create(
        meter=latest.meter,
        organization_id=latest.organization_id,
        customer_id=latest.customer_id,
        period_id=latest.period_id,
        value=latest.value,
        timestamp=at,
        identifier=f"{subject.customer_id}-active_series-{int(at.timestamp())}",
        reason=MeterEvent.Reason.CLOSE,
        counted_at=latest.counted_at,
    )
    logger.error("closing event sent again", extra={"period": subject.period_id})
    return True


def _pause(age: timedelta) -> timedelta:
    """Return how long to wait until the next look: a minute at first, longer as it gets old."""
    if age < timedelta(hours=2):
        return timedelta(minutes=1)
    return timedelta(minutes=5) if age < timedelta(days=1) else timedelta(hours=1)


def _alert(subject: Subject, row: Verification, *, now: datetime) -> None:
    ids = {"period": subject.period_id, "invoice": row.stripe_invoice_id}
    if row.passed_unverified_at == now:
        logger.critical("an invoice is final and was not verified", extra=ids)
    elif _is_near(row, now=now):
        logger.critical("an invoice is about to be final unverified", extra=ids)


def _is_near(row: Verification, *, now: datetime) -> bool:
    # An hour is what Stripe gives by itself; before it was moved out, that is no alarm.
    if row.verified_at is not None or row.postponed_at is None or row.finalizes_at is None:
        return False
    return row.finalizes_at - now < ALERT_BEFORE


def _add(total: Round, subject: Subject, seen: Seen, *, resent: bool) -> Round:
    return Round(
        looked_at=total.looked_at + 1,
        verified=total.verified + (seen.verified and subject.verified_at is None),
        resent=total.resent + resent,
        failed=total.failed + bool(seen.failure),
    )


def seconds_to_unverified_invoice(*, now: datetime) -> float | None:
    """Return how long until the next draft becomes final unverified; None where none will."""
    nearest = (
        Verification.objects.filter(
            verified_at=None, passed_unverified_at=None, finalizes_at__isnull=False
        )
        .order_by("finalizes_at")
        .values_list("finalizes_at", flat=True)
        .first()
    )
    return None if nearest is None else (nearest - now).total_seconds()
