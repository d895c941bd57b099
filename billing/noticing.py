"""Finding what leaders are to be told, and storing it once.

Everything is found by timer in our own rows, so that no lost webhook or hint loses a notice, and a
constraint makes each event of a period one notice however often it is looked for.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from billing import pricing
from billing.models import BillingPeriod, Budget, Notice

TRIAL_ENDS_WITHIN = timedelta(days=3)
# What happened longer ago is not news any more, as after mail was first switched on.
NEWS = timedelta(days=7)

# About the end itself, so that an extended trial is told again.
_TRIALS_ENDING = """
SELECT plan.organization_id, period.id, 'trial-ending',
       to_char(plan.trial_ends_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
       jsonb_build_object('ends_at', plan.trial_ends_at)
FROM billing_plan plan
JOIN billing_billingperiod period ON period.plan_id = plan.id AND period.kind = 'trial'
 AND period.state = 'open' AND period.ends_at = plan.trial_ends_at
WHERE plan.ended_at IS NULL AND plan.status = 'trialing' AND NOT plan.cancel_at_period_end
  AND plan.trial_ends_at > %(now)s AND plan.trial_ends_at <= %(trial_by)s
"""

_PAYMENTS_FAILED = """
SELECT plan.organization_id, latest.id, 'payment-failed',
       plan.status || to_char(plan.status_since AT TIME ZONE 'UTC', ' YYYY-MM-DD"T"HH24:MI:SS"Z"'),
       jsonb_build_object('status', plan.status, 'private_until', organization.private_until)
FROM billing_plan plan
JOIN tenancy_organization organization ON organization.id = plan.organization_id
LEFT JOIN LATERAL (
    SELECT id FROM billing_billingperiod period WHERE period.plan_id = plan.id
    ORDER BY starts_at DESC LIMIT 1
) latest ON true
WHERE plan.ended_at IS NULL AND plan.status IN ('past_due', 'unpaid')
  AND plan.status_since > %(news_since)s
"""

_STATEMENTS_READY = """
SELECT statement.organization_id, statement.period_id, 'statement-ready', statement.uuid::text,
       jsonb_build_object('statement', statement.uuid, 'series', statement.series,
                          'amount_cents', statement.amount_cents,
                          'currency', statement.currency, 'kind', statement.kind,
                          'sha256', statement.evidence_sha256)
FROM billing_statement statement
WHERE statement.closed_at > %(news_since)s
"""

# The value stored last stands for the count: at most a minute old, and the same in every mail.
_LATEST = """
JOIN LATERAL (
    SELECT event.value, event.counted_at
    FROM billing_meterevent event
    JOIN billing_billingcustomer customer ON customer.id = event.customer_id
    WHERE customer.organization_id = period.organization_id AND event.meter = 'active_series'
      AND event.period_id = period.id
    ORDER BY event.timestamp DESC LIMIT 1
) latest ON true
"""

# Bands that end below the value were left behind. A fall and a second rise are no news.
_TIERS_CROSSED = f"""
SELECT period.organization_id, period.id, 'tier-crossed', 'band ' || crossed.bands + 1,
       jsonb_build_object('band', crossed.bands, 'series', latest.value,
                          'counted_at', latest.counted_at)
FROM billing_billingperiod period
{_LATEST}
CROSS JOIN LATERAL (
    SELECT count(*) AS bands FROM jsonb_array_elements(period.tiers) tier
    WHERE (tier ->> 'up_to')::bigint < latest.value
) crossed
WHERE period.state = 'open' AND period.starts_at <= %(now)s AND period.ends_at > %(now)s
  AND crossed.bands > coalesce((
      SELECT max((notice.figures ->> 'band')::bigint) FROM billing_notice notice
      WHERE notice.period_id = period.id AND notice.kind = 'tier-crossed'
  ), 0)
"""  # noqa: S608 - a constant of this module

_BUDGETED = f"""
SELECT budget.id, period.id, latest.value, latest.counted_at, coalesce((
    SELECT max((notice.figures ->> 'threshold')::bigint) FROM billing_notice notice
    WHERE notice.period_id = period.id AND notice.kind = 'budget-reached'
      AND notice.figures ->> 'unit' = budget.unit
      AND (notice.figures ->> 'limit')::bigint = budget.limit
), 0)
FROM billing_budget budget
JOIN billing_billingperiod period ON period.organization_id = budget.organization_id
 AND period.state = 'open' AND period.starts_at <= %(now)s AND period.ends_at > %(now)s
{_LATEST}
"""  # noqa: S608 - a constant of this module

_STORE = """
INSERT INTO billing_notice
    (organization_id, period_id, kind, about, figures, noticed_at, uuid, recipients, attempts,
     failure)
SELECT found.*, %(now)s, gen_random_uuid(), '{{}}', 0, ''
FROM ({found}) AS found (organization_id, period_id, kind, about, figures)
ON CONFLICT DO NOTHING
"""


def find(*, now: datetime) -> int:
    """Store a notice for everything that leaders are to be told; returns how many are new."""
    finders: Iterable[Callable[[datetime], int]] = (
        _by(_TRIALS_ENDING),
        _by(_PAYMENTS_FAILED),
        _by(_STATEMENTS_READY),
        _by(_TIERS_CROSSED),
        _budgets_reached,
    )
    return sum(finder(now) for finder in finders)


def _by(found: str) -> Callable[[datetime], int]:
    def store(now: datetime) -> int:
        with transaction.atomic(durable=True), connection.cursor() as cursor:
            cursor.execute(
                _STORE.format(found=found),
                {"now": now, "trial_by": now + TRIAL_ENDS_WITHIN, "news_since": now - NEWS},
            )
            return int(cursor.rowcount)

    return store


@dataclass(frozen=True, slots=True)
class _Reached:
    """A budget beside the count of its organization's open period."""

    budget: Budget
    period: BillingPeriod
    series: int
    counted_at: datetime
    told: int

    @property
    def used(self) -> int:
        """Return what is used of the limit: series, or the cents that they would cost."""
        if self.budget.unit == Budget.Unit.SERIES:
            return self.series
        if self.period.kind == BillingPeriod.Kind.TRIAL:
            return 0
        return pricing.amount_cents(pricing.ladder(self.period.tiers), self.series)

    def threshold(self) -> int | None:
        """Return the highest threshold that is reached and was not told, in percent."""
        reached = [
            percent
            for percent in self.budget.thresholds
            if percent > self.told and 100 * self.used >= percent * self.budget.limit
        ]
        return max(reached, default=None)


def _budgets_reached(now: datetime) -> int:
    notices = [
        _budget_notice(reached, threshold, now=now)
        for reached in _budgeted(now=now)
        if (threshold := reached.threshold()) is not None
    ]
    with transaction.atomic(durable=True):
        Notice.objects.bulk_create(notices, ignore_conflicts=True)
    return len(notices)


def _budgeted(*, now: datetime) -> list[_Reached]:
    with connection.cursor() as cursor:
        cursor.execute(_BUDGETED, {"now": now})
        rows: list[Any] = cursor.fetchall()
    budgets = Budget.objects.in_bulk([row[0] for row in rows])
    periods = BillingPeriod.objects.in_bulk([row[1] for row in rows])
    # A budget that was taken back since is not looked at any more.
    return [
        _Reached(budgets[row[0]], periods[row[1]], *row[2:]) for row in rows if row[0] in budgets
    ]


def _budget_notice(reached: _Reached, threshold: int, *, now: datetime) -> Notice:
    budget = reached.budget
    return Notice(
        organization_id=budget.organization_id,
        period=reached.period,
        kind=Notice.Kind.BUDGET_REACHED,
        about=f"{threshold} % of {budget.limit} ({budget.unit})",
        figures={
            "unit": budget.unit,
            "limit": budget.limit,
            "threshold": threshold,
            "used": reached.used,
            "series": reached.series,
            "counted_at": reached.counted_at.isoformat(),
        },
        noticed_at=now,
    )
