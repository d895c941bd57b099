"""The sender: takes stored meter events to Stripe, each at least once, in order per customer.

One sender at a time holds a lease, so one limiter and one order suffice. An event is claimed by a
committed update, sent outside any transaction, and its answer is stored in another. For a meter
that keeps the last value, "identifier already exists" means it was delivered before. Leases and
back-off run on the real clock: they bound real waiting.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec
from django.db import connection, transaction

from bencher import clock
from billing import gateway

logger = logging.getLogger(__name__)

# Longer than a batch in which every call times out.
LEASE_SECONDS = 300
BATCH = 100
THREADS = 16
# Under Stripe's 1,000 a second in live mode; test mode counts toward the general limit of 25.
LIVE_EVENTS_PER_SECOND = 900
TEST_EVENTS_PER_SECOND = 20
MAX_BACKOFF_SECONDS = 900


@dataclass(frozen=True, slots=True)
class Claimed:
    """An event that this sender is about to send."""

    id: int
    meter: str
    stripe_customer_id: str
    value: int
    timestamp: datetime
    identifier: str
    attempts: int
    is_closing: bool


@dataclass(frozen=True, slots=True)
class Sent:
    """How a round of sending went."""

    delivered: int = 0
    retried: int = 0
    rejected: int = 0


# One event per customer and meter at a time: Stripe refuses a second call in flight, and a later
# value must not overtake an earlier one. What a dead sender left half sent goes first, then
# closing events: an invoice waits for them.
_CLAIM = """
UPDATE billing_meterevent event
SET claimed_at = statement_timestamp(), attempts = event.attempts + 1
FROM billing_billingcustomer customer
WHERE customer.id = event.customer_id AND event.id IN (
    SELECT id FROM (
        SELECT DISTINCT ON (customer_id, meter) id, reason = 'close' AS closing, timestamp,
               next_attempt_at
        FROM billing_meterevent
        WHERE sent_at IS NULL AND rejected_at IS NULL AND superseded_at IS NULL
        ORDER BY customer_id, meter, claimed_at IS NULL, reason <> 'close', timestamp
    ) first
    -- Looked at outside: what waits for its next attempt is not overtaken by a later value.
    WHERE next_attempt_at IS NULL OR next_attempt_at <= statement_timestamp()
    ORDER BY closing DESC, timestamp
    LIMIT %(batch)s
)
RETURNING event.id, event.meter, customer.stripe_customer_id, event.value, event.timestamp,
          event.identifier, event.attempts, event.reason = 'close' AS is_closing
"""

_LEASE = """
INSERT INTO billing_senderlease AS lease (id, holder, expires_at)
VALUES (1, %(holder)s, clock_timestamp() + %(seconds)s * interval '1 second')
ON CONFLICT (id) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
WHERE lease.holder = excluded.holder OR lease.expires_at IS NULL
   OR lease.expires_at <= clock_timestamp()
RETURNING 1
"""


def send(stripe: gateway.Gateway, *, per_second: float) -> Sent:
    """Send everything that is due; returns at once where another sender holds the lease."""
    holder = uuid4()
    total = Sent()
    if not _hold_lease(holder):
        return total
    try:
        while _hold_lease(holder) and (claimed := _claim()):
            total = _add(total, _send(stripe, claimed, per_second=per_second))
    finally:
        _release_lease(holder)
    return total


def _send(stripe: gateway.Gateway, claimed: Sequence[Claimed], *, per_second: float) -> Sent:
    wait = _limiter(per_second)

    def one(event: Claimed) -> tuple[Claimed, str, gateway.Answer]:
        wait()
        return event, *_post(stripe, event)

    with ThreadPoolExecutor(max_workers=THREADS) as pool:
        outcomes = list(pool.map(one, claimed))
    _store(outcomes)
    counts = dict.fromkeys(("delivered", "retried", "rejected"), 0)
    for _, outcome, _ in outcomes:
        counts[outcome] += 1
    return Sent(**counts)


def _post(stripe: gateway.Gateway, event: Claimed) -> tuple[str, gateway.Answer]:
    try:
        answer = stripe.post_meter_event(
            event_name=event.meter,
            customer_id=event.stripe_customer_id,
            value=event.value,
            timestamp=event.timestamp,
            identifier=event.identifier,
        )
    except gateway.TemporaryError as error:
        return "retried", error.answer
    except gateway.RefusedError as error:
        if error.is_duplicate:
            return "delivered", error.answer
        logger.error("meter event refused", extra={"event": event.id, "answer": error.answer})
        return "rejected", error.answer
    return "delivered", answer


def _store(outcomes: Sequence[tuple[Claimed, str, gateway.Answer]]) -> None:
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE billing_meterevent event
            SET answer = outcome.answer::jsonb,
                sent_at = CASE WHEN outcome.kind = 'delivered' THEN {clock.sql()} END,
                rejected_at = CASE WHEN outcome.kind = 'rejected' THEN {clock.sql()} END,
                claimed_at = CASE WHEN outcome.kind = 'retried' THEN NULL
                                  ELSE event.claimed_at END,
                next_attempt_at = CASE WHEN outcome.kind = 'retried' THEN statement_timestamp()
                                            + outcome.delay * interval '1 second' END
            FROM unnest(%(ids)s::bigint[], %(kinds)s::text[], %(answers)s::text[],
                        %(delays)s::float8[]) AS outcome (id, kind, answer, delay)
            WHERE event.id = outcome.id AND event.sent_at IS NULL
            """,  # noqa: S608 - the clock is an expression of our own
            {
                "ids": [event.id for event, _, _ in outcomes],
                "kinds": [kind for _, kind, _ in outcomes],
                "answers": [msgspec.json.encode(answer).decode() for _, _, answer in outcomes],
                "delays": [_backoff(event.attempts) for event, _, _ in outcomes],
            },
        )


def _backoff(attempts: int) -> float:
    # Full jitter: a crowd of retries must not come back at one instant.
    return random.uniform(0.5, min(MAX_BACKOFF_SECONDS, 2.0**attempts))  # noqa: S311


def _claim() -> list[Claimed]:
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(_CLAIM, {"batch": BATCH})
        claimed = [Claimed(*row) for row in cursor.fetchall()]
    # An UPDATE returns its rows in no order.
    return sorted(claimed, key=lambda event: (not event.is_closing, event.timestamp))


def _hold_lease(holder: UUID) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_LEASE, {"holder": holder, "seconds": LEASE_SECONDS})
        return cursor.fetchone() is not None


def _release_lease(holder: UUID) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE billing_senderlease SET expires_at = clock_timestamp() WHERE holder = %s",
            [holder],
        )


def _limiter(per_second: float) -> Callable[[], None]:
    """Return a function that waits until one more call may be made."""
    lock, interval = threading.Lock(), 1 / per_second
    free_at = time.monotonic()

    def wait() -> None:
        nonlocal free_at
        with lock:
            mine = max(free_at, time.monotonic())
            free_at = mine + interval
        time.sleep(max(0.0, mine - time.monotonic()))

    return wait


def _add(total: Sent, more: Sent) -> Sent:
    return Sent(
        delivered=total.delivered + more.delivered,
        retried=total.retried + more.retried,
        rejected=total.rejected + more.rejected,
    )


def waiting() -> dict[str, Any]:
    """Return how many events wait and how old the oldest count among them is, in seconds."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT count(*), extract(epoch FROM {clock.sql()} - min(counted_at))
            FROM billing_meterevent
            WHERE sent_at IS NULL AND rejected_at IS NULL AND superseded_at IS NULL
            """  # noqa: S608 - the clock is an expression of our own
        )
        row = cursor.fetchone()
    assert row is not None
    return {"events": row[0], "oldest_seconds": None if row[1] is None else float(row[1])}
