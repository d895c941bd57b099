"""Claiming what is to be sent and storing what became of it, each in a transaction of its own.

A claim has a token, and only who holds it stores an outcome: a sender that was stopped until
another one took its events over changes nothing any more. A claim also notes that an attempt began,
so that one that was cut off in between counts as one that Stripe may have applied.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum, auto
from uuid import UUID, uuid4

import msgspec
from django.db import connection, transaction

from bencher import clock
from billing import gateway

BATCH = 500
# Of one customer and meter, sent one after the other.
OF_A_STREAM = 50
MAX_BACKOFF_SECONDS = 900
# Stripe takes nothing older; an hour less, so that it is us who say so.
EXPIRES_AFTER = timedelta(days=35) - timedelta(hours=1)
# Stripe knows an identifier again for a day; values that add up are not sent again any later.
UNDECIDED_AFTER = timedelta(hours=23)

TO_SEND = (
    "sent_at IS NULL AND rejected_at IS NULL AND superseded_at IS NULL AND undecided_at IS NULL"
)
# By staff: this event, or everything of its organization.
HELD_BACK = (
    "held_at IS NOT NULL OR organization_id IN"
    " (SELECT organization_id FROM billing_freeze WHERE ended_at IS NULL)"
)


class Outcome(StrEnum):
    """What became of an attempt."""

    DELIVERED = auto()
    # Stripe may have applied it.
    UNANSWERED = auto()
    # Stripe said that it did not, and may another time.
    PUT_OFF = auto()
    REJECTED = auto()
    EXPIRED = auto()
    # Stripe does not take our key, which is not the event's fault.
    KEY_REFUSED = auto()
    # There was no attempt.
    UNTRIED = auto()


@dataclass(frozen=True, slots=True)
class Claimed:
    """An event that this sender is about to send."""

    id: int
    claim: UUID
    meter: str
    stripe_customer_id: str
    value: int
    timestamp: datetime
    identifier: str
    attempts: int
    is_closing: bool
    # No attempt before this one may have been applied.
    is_first: bool
    place: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """An event, what became of it, and what Stripe said."""

    event: Claimed
    outcome: Outcome
    answer: gateway.Answer | None


# One stream for each customer and meter: Stripe refuses a second call in flight, and a later value
# must not overtake an earlier one. What a dead sender left half sent goes first, then closing
# events: an invoice waits for them. Where the first waits for its next attempt, all of them do.
# A batch takes from as many streams as it can, since only streams are sent side by side.
_QUEUE = f"""
SELECT id, place FROM (
    SELECT id, row_number() OVER stream AS place,
           first_value(next_attempt_at) OVER stream AS waits_until,
           first_value(reason) OVER stream = 'close' AS closing,
           first_value(timestamp) OVER stream AS since
    FROM billing_meterevent
    WHERE {TO_SEND} AND NOT ({HELD_BACK})
    WINDOW stream AS (PARTITION BY customer_id, meter
                      ORDER BY claimed_at IS NULL, reason <> 'close', timestamp, id)
) queue
WHERE place <= %(of_a_stream)s
  AND (waits_until IS NULL OR waits_until <= statement_timestamp())
ORDER BY closing DESC, place, since
LIMIT %(batch)s
"""  # noqa: S608 - a constant of this module


def _claim_sql() -> str:
    return f"""
UPDATE billing_meterevent event
SET claimed_at = statement_timestamp(), claim = %(claim)s, attempts = event.attempts + 1,
    unanswered_since = coalesce(event.unanswered_since, {clock.sql()})
FROM ({_QUEUE}) due, billing_billingcustomer customer
WHERE event.id = due.id AND customer.id = event.customer_id
  -- Looked at again where a newer value has just taken it back.
  AND event.sent_at IS NULL AND event.rejected_at IS NULL AND event.superseded_at IS NULL
  AND event.undecided_at IS NULL AND event.held_at IS NULL
RETURNING event.id, event.claim, event.meter, customer.stripe_customer_id, event.value,
          event.timestamp, event.identifier, event.attempts, event.reason = 'close',
          event.unanswered_since = {clock.sql()}, due.place
"""  # noqa: S608 - the clock is an expression of our own


def claim(*, batch: int) -> list[Claimed]:
    """Claim up to so many events, in the order in which they are to be sent."""
    token = uuid4()
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(_claim_sql(), {"claim": token, "batch": batch, "of_a_stream": OF_A_STREAM})
        claimed = [Claimed(*row) for row in cursor.fetchall()]
    # An UPDATE returns its rows in no order.
    return sorted(claimed, key=lambda event: (not event.is_closing, event.place, event.timestamp))


def store(attempts: Sequence[Attempt]) -> set[int]:
    """Store what became of claimed events; returns those that were still claimed by this claim."""
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE billing_meterevent event
            SET answer = coalesce(attempt.answer::jsonb, event.answer),
                sent_at = CASE WHEN outcome = 'delivered' THEN {clock.sql()} END,
                rejected_at = CASE WHEN outcome IN ('rejected', 'expired') THEN {clock.sql()} END,
                expired_at = CASE WHEN outcome = 'expired' THEN {clock.sql()} END,
                claim = CASE WHEN is_final THEN event.claim END,
                claimed_at = CASE WHEN is_final THEN event.claimed_at END,
                attempts = event.attempts - (outcome = 'untried')::integer,
                unanswered_since = CASE WHEN outcome = 'unanswered' OR NOT is_first
                                        THEN event.unanswered_since END,
                next_attempt_at = CASE WHEN outcome IN ('unanswered', 'put_off')
                    THEN statement_timestamp() + delay * interval '1 second' END
            FROM (
                SELECT *, outcome IN ('delivered', 'rejected', 'expired') AS is_final
                FROM unnest(%(ids)s::bigint[], %(claims)s::uuid[], %(outcomes)s::text[],
                            %(answers)s::text[], %(delays)s::float8[], %(firsts)s::boolean[])
                     AS given (id, claim, outcome, answer, delay, is_first)
            ) attempt
            WHERE event.id = attempt.id AND event.claim = attempt.claim
              AND event.sent_at IS NULL AND event.rejected_at IS NULL
            RETURNING event.id
            """,  # noqa: S608 - the clock is an expression of our own
            {
                "ids": [attempt.event.id for attempt in attempts],
                "claims": [attempt.event.claim for attempt in attempts],
                "outcomes": [attempt.outcome.value for attempt in attempts],
                "answers": [_text(attempt.answer) for attempt in attempts],
                "delays": [_backoff(attempt.event.attempts) for attempt in attempts],
                "firsts": [attempt.event.is_first for attempt in attempts],
            },
        )
        return {row[0] for row in cursor.fetchall()}


def _text(answer: gateway.Answer | None) -> str | None:
    return None if answer is None else msgspec.json.encode(answer).decode()


def _backoff(attempts: int) -> float:
    # Full jitter: a crowd of retries must not come back at one instant.
    return random.uniform(0.5, min(MAX_BACKOFF_SECONDS, 2.0**attempts))  # noqa: S311


def expire() -> list[int]:
    """Take out what is too old for Stripe, which would refuse it; returns the events."""
    return _retire(
        "expired_at = {clock}, rejected_at = {clock}",
        "timestamp <= {clock} - %s",
        EXPIRES_AFTER,
    )


def leave_undecided() -> list[int]:
    """Take out what adds up and may soon be billed twice if it is sent again; returns the events.

    By then Stripe may have forgotten the identifier of the attempt that it never answered.
    """
    return _retire(
        "undecided_at = {clock}",
        "meter <> 'active_series' AND unanswered_since <= {clock} - %s",
        UNDECIDED_AFTER,
    )


def _retire(change: str, condition: str, after: timedelta) -> list[int]:
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE billing_meterevent SET claim = NULL, {change.format(clock=clock.sql())}"  # noqa: S608
            f" WHERE {TO_SEND} AND {condition.format(clock=clock.sql())} RETURNING id",
            [after],  # type: ignore[list-item]
        )
        return [row[0] for row in cursor.fetchall()]
