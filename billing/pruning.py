"""Removing old values that a newer one took the place of before anybody began to send them.

A sweep leaves one a day for each plan that Stripe was not told of. What was ever tried stays, since
Stripe may have it, and so does every closing value: they are evidence.
"""

from datetime import datetime, timedelta

from django.db import connection, transaction

from billing.models import MeterEvent

# So that no statement holds its locks for long, whatever piled up.
_AT_ONCE = 10_000

_PRUNE = """
DELETE FROM billing_meterevent WHERE id IN (
    SELECT id FROM billing_meterevent
    WHERE superseded_at < %s AND attempts = 0 AND sent_at IS NULL AND rejected_at IS NULL
      AND reason <> %s
    LIMIT %s
)
"""


def prune(*, now: datetime, keep: timedelta) -> int:
    """Remove what was superseded longer ago than `keep`; returns how many events went."""
    removed, last = 0, _AT_ONCE
    while last == _AT_ONCE:
        with transaction.atomic(durable=True), connection.cursor() as cursor:
            cursor.execute(_PRUNE, [now - keep, MeterEvent.Reason.CLOSE.value, _AT_ONCE])
            last = cursor.rowcount
        removed += last
    return removed
