"""Until when each organization's evidence has served its purpose."""

from dataclasses import dataclass
from datetime import datetime

from django.db import connection

# A period is over with once it was settled long enough ago and nothing about it is open. Evidence
# goes from the oldest on and stops at the first period that still needs it, so that one instant
# says what is gone. Reports between periods go with it, for no period needs them.
_DUE = """
WITH period AS (
    SELECT period.organization_id, period.starts_at, period.ends_at,
           period.state = 'settled' AND settled.at IS NOT NULL
           AND settled.at <= %(now)s::timestamptz - make_interval(months => %(months)s)
           AND NOT EXISTS (
               SELECT FROM billing_drift drift
               WHERE drift.period_id = period.id AND drift.resolved_at IS NULL
           ) AS is_over
    FROM billing_billingperiod period
    LEFT JOIN LATERAL (
        SELECT max(settlement.settled_at) AS at FROM billing_settlement settlement
        JOIN billing_statement statement ON statement.id = settlement.statement_id
        WHERE statement.period_id = period.id
    ) settled ON true
),
needed AS (
    SELECT organization_id, min(starts_at) AS starts_at FROM period WHERE NOT is_over
    GROUP BY organization_id
)
SELECT organization.id, organization.slug, max(period.ends_at)
FROM period
JOIN tenancy_organization organization ON organization.id = period.organization_id
JOIN series_fence fence ON fence.organization_id = period.organization_id
LEFT JOIN needed ON needed.organization_id = period.organization_id
WHERE period.is_over AND period.ends_at <= fence.at
  AND (needed.starts_at IS NULL OR period.ends_at <= needed.starts_at)
GROUP BY organization.id
ORDER BY organization.id
"""


@dataclass(frozen=True, slots=True)
class Expired:
    """An organization's evidence from before an instant is needed by no period any more."""

    organization_id: int
    organization: str
    before: datetime


def due(*, months: int, now: datetime) -> list[Expired]:
    """Return how far evidence may be purged: settled more than `months` ago, without a gap.

    Organizations whose oldest period still needs its evidence are not in it, nor are those that
    never had one settled. A period with an unresolved drift needs it however old it is.
    """
    with connection.cursor() as cursor:
        cursor.execute(_DUE, {"months": months, "now": now})
        return [Expired(*row) for row in cursor.fetchall()]
