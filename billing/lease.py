"""The sender's lease: one row, on the real clock, so that one limiter and one order suffice.

A holder that was stopped beyond the end of its lease wakes up beside another sender. It begins no
further call then, and what it still learns of its calls is not stored: see `billing.claims`.
"""

import time
from datetime import timedelta
from uuid import uuid4

from django.db import connection

# Longer than a batch takes; a dead sender holds the others up for so long.
SECONDS = 300
# Before its end no call is begun any more: the longest takes 13 seconds.
_CALLS_END_BEFORE = 60
# How long nobody sends after Stripe refused our key; then one event is tried.
PAUSE = timedelta(minutes=5)

_TAKE = """
INSERT INTO billing_senderlease AS lease (id, holder, expires_at)
VALUES (1, %(holder)s, clock_timestamp() + %(seconds)s * interval '1 second')
ON CONFLICT (id) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
WHERE (lease.paused_until IS NULL OR lease.paused_until <= clock_timestamp())
  AND (lease.holder = excluded.holder OR lease.expires_at IS NULL
       OR lease.expires_at <= clock_timestamp())
RETURNING paused_why <> ''
"""


class Lease:
    """One sender's hold on the outbox."""

    def __init__(self) -> None:
        self._holder = uuid4()
        self._ends = 0.0
        # Whether Stripe did not take our key at the last attempt.
        self.is_probing = False

    def hold(self) -> bool:
        """Take or renew the lease; False while another sender has it, or sending is paused."""
        ends = time.monotonic() + SECONDS
        with connection.cursor() as cursor:
            cursor.execute(_TAKE, {"holder": self._holder, "seconds": SECONDS})
            row = cursor.fetchone()
        if row is None:
            return False
        self._ends, self.is_probing = ends, row[0]
        return True

    def allows_calls(self) -> bool:
        """Tell whether a call that begins now ends within the lease."""
        return time.monotonic() < self._ends - _CALLS_END_BEFORE

    def release(self) -> None:
        """Let another sender begin at once."""
        self._update("expires_at = clock_timestamp()")

    def pause(self, why: str) -> None:
        """Let nobody send for a while, and say why."""
        self._update("paused_until = clock_timestamp() + %s, paused_why = %s", PAUSE, why[:500])

    def go_on(self) -> None:
        """Note that Stripe takes our key again."""
        self._update("paused_until = NULL, paused_why = ''")

    def _update(self, changes: str, *values: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE billing_senderlease SET {changes} WHERE holder = %s",  # noqa: S608
                [*values, self._holder],  # type: ignore[list-item]
            )
