"""The fence: no report can enter a closed period, by lock and not by luck.

Ingest holds an organization's fence shared from the moment it decides when a report counts until
it commits; closing a period takes it exclusively before it counts. The lock is an advisory one, so
holding it writes nothing.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from bencher import db
from bencher.db import transaction_required

# The high 16 bits of the advisory key say what is locked, the low 48 whose.
_NAMESPACE = 0x4645 << 48


@dataclass(frozen=True, slots=True)
class CountedInstant:
    """When a report was received, and the instant at which its series count as seen."""

    received_at: datetime
    seen_at: datetime


@transaction_required
def instant(organization_id: int, *, end_time: datetime, now: datetime) -> CountedInstant:
    """Hold the fence shared until the transaction ends and decide when a report counts.

    That is its end time; the later of receipt and fence where the end time lies in the future or
    before the fence (design rule 2). The fence is read in the statement after the lock, so a close
    that was waited for is seen.
    """
    with connection.cursor() as cursor:
        # A session that died with the fence in its hands would hold up the organization's close.
        cursor.execute(
            f"SELECT {db.silence_limit_sql()}, pg_advisory_xact_lock_shared(%s)",
            [_NAMESPACE | organization_id],
        )
        cursor.execute("SELECT at FROM series_fence WHERE organization_id = %s", [organization_id])
        row = cursor.fetchone()
    fence: datetime | None = row[0] if row else None
    return CountedInstant(received_at=now, seen_at=_seen(end_time, now=now, fence=fence))


def _seen(end_time: datetime, *, now: datetime, fence: datetime | None) -> datetime:
    outside = end_time > now or (fence is not None and end_time < fence)
    if not outside:
        return end_time
    return now if fence is None else max(now, fence)


@transaction_required
def hold_exclusively(organization_id: int) -> None:
    """Wait for the reports under way and keep new ones out until the transaction ends.

    Raises OperationalError where one of them is under way for longer than anybody should wait.
    """
    db.bound_waiting()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_NAMESPACE | organization_id])


@transaction_required
def raise_to(organization_id: int, at: datetime) -> None:
    """Wait for the reports under way and raise the fence; it never falls.

    Raises OperationalError as `hold_exclusively` does.
    """
    hold_exclusively(organization_id)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO series_fence (organization_id, at) VALUES (%s, %s)"
            " ON CONFLICT (organization_id)"
            " DO UPDATE SET at = greatest(series_fence.at, excluded.at)",
            [organization_id, at],
        )
