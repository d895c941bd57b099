"""What people see of many plans, or of many periods, at once."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from bencher import clock
from billing import pricing, usage
from billing.models import BillingPeriod
from series import counting


@dataclass(frozen=True, slots=True)
class PlanOverview:
    """The current period of a plan, counted now, and what was posted last. Amounts in cents."""

    period: BillingPeriod
    series: int
    band: pricing.Band
    estimate_cents: int
    posted: int | None
    posted_at: datetime | None


# One statement for all plans of a list. Plans without a current period are left out: there is
# nothing that could be counted for them.
_CURRENT = """
SELECT plan.id, period.id, active.billed, latest.value, latest.timestamp
FROM billing_plan plan
JOIN billing_billingperiod period ON period.plan_id = plan.id
 AND period.starts_at <= {clock} AND {clock} < period.ends_at
CROSS JOIN LATERAL ({active}) active
LEFT JOIN LATERAL (
    SELECT event.value, event.timestamp
    FROM billing_meterevent event
    JOIN billing_billingcustomer customer ON customer.id = event.customer_id
    WHERE customer.organization_id = plan.organization_id AND event.meter = 'active_series'
      AND event.period_id = period.id
    ORDER BY event.timestamp DESC
    LIMIT 1
) latest ON true
WHERE plan.id = ANY(%s::bigint[]) AND plan.ended_at IS NULL AND plan.level = 'pro'
"""


def of_plans(plan_ids: list[int]) -> dict[int, PlanOverview]:
    """Return the overview of each of these plans that has a current period, in two queries."""
    active = counting.active_sql(
        organization="plan.organization_id",
        start="period.starts_at",
        end="period.ends_at",
        basis="period.basis",
    )
    with connection.cursor() as cursor:
        cursor.execute(_CURRENT.format(clock=clock.sql(), active=active), [plan_ids])
        rows = cursor.fetchall()
    periods = BillingPeriod.objects.in_bulk([row[1] for row in rows])
    return {row[0]: _overview(periods[row[1]], *row[2:]) for row in rows}


def _overview(period: BillingPeriod, series: int, *posted: Any) -> PlanOverview:
    ladder = pricing.ladder(period.tiers)
    return PlanOverview(
        period=period,
        series=series,
        band=pricing.band(ladder, series),
        estimate_cents=usage.estimate_cents(period, ladder, series),
        posted=posted[0],
        posted_at=posted[1],
    )
