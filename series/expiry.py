"""How far each organization's evidence was purged. Recounts read it in their own snapshot."""

from datetime import datetime

from django.db import connection

from bencher.db import transaction_required
from series.models import ExpiredEvidence

_RAISE = """
INSERT INTO series_expiredevidence AS expired (organization_id, before, purged_at)
VALUES (%(organization)s, %(before)s, %(now)s)
ON CONFLICT (organization_id) DO UPDATE SET before = excluded.before, purged_at = excluded.purged_at
WHERE excluded.before > expired.before
"""


@transaction_required
def raise_to(organization_id: int, before: datetime, *, now: datetime) -> bool:
    """Note that reports from before an instant may go; False where that was noted already.

    Commit it before any goes: then whoever misses one sees in the same snapshot that it may be
    gone. It never falls.
    """
    with connection.cursor() as cursor:
        cursor.execute(_RAISE, {"organization": organization_id, "before": before, "now": now})
        return bool(cursor.rowcount)


def has_expired(organization_id: int, *starts_at: datetime) -> list[bool]:
    """Return for each instant whether a period that starts then can't be recounted any more."""
    expired = ExpiredEvidence.objects.filter(pk=organization_id).first()
    return [expired is not None and start < expired.before for start in starts_at]
