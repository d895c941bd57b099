"""What an organization uses now and what it will cost: the one figure of page, API and command."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from bencher.tenancy.models import Organization
from billing import pricing
from billing.models import BillingPeriod, Level, MeterEvent, Plan
from series import counting
from series.counting import ActiveCount, Basis

# Without a plan there is no period: the last thirty days stand in for it.
TRAILING = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Usage:
    """Usage of an organization at the instant of its count. Amounts in cents."""

    plan: Plan | None
    period: BillingPeriod | None
    starts_at: datetime
    ends_at: datetime
    count: ActiveCount
    ladder: pricing.Ladder
    band: pricing.Band | None
    estimate_cents: int | None
    last_event: MeterEvent | None


@dataclass(frozen=True, slots=True)
class Bounds:
    """Between which instants an organization's usage is counted now, and of which projects."""

    plan: Plan | None
    period: BillingPeriod | None
    starts_at: datetime
    ends_at: datetime
    basis: Basis


def bounds(organization: Organization, *, now: datetime) -> Bounds:
    """Return the current period's bounds; without one, the last thirty days and what may come."""
    live = Plan.objects.filter(organization=organization, ended_at=None)
    plan = live.select_related("cancellation").first()
    period = open_period(plan, now=now)
    return Bounds(
        plan=plan,
        period=period,
        starts_at=period.starts_at if period else now - TRAILING,
        ends_at=period.ends_at if period else now + TRAILING,
        basis=Basis(period.basis if period else settings.ACTIVE_SERIES_VISIBILITY),
    )


def current(organization: Organization, *, now: datetime) -> Usage:
    """Count an organization's active series now, with the price that the count would have."""
    within = bounds(organization, now=now)
    plan, period = within.plan, within.period
    count = counting.count_active(
        organization.pk, start=within.starts_at, end=within.ends_at, basis=within.basis
    )
    ladder = pricing.ladder(period.tiers) if period else ()
    return Usage(
        plan=plan,
        period=period,
        starts_at=within.starts_at,
        ends_at=within.ends_at if period else now,
        count=count,
        ladder=ladder,
        band=pricing.band(ladder, count.billed) if ladder else None,
        estimate_cents=estimate_cents(period, ladder, count.billed) if period else None,
        last_event=_last_event(period),
    )


def open_period(plan: Plan | None, *, now: datetime) -> BillingPeriod | None:
    """Return the period of a Pro plan that an instant lies in."""
    if plan is None or plan.level != Level.PRO:
        return None
    return plan.periods.filter(starts_at__lte=now, ends_at__gt=now).first()


def estimate_cents(period: BillingPeriod, ladder: pricing.Ladder, count: int) -> int:
    """Return what a count would cost in a period; 0 in a trial."""
    if period.kind == BillingPeriod.Kind.TRIAL:
        return 0
    return pricing.amount_cents(ladder, count)


def _last_event(period: BillingPeriod | None) -> MeterEvent | None:
    if period is None:
        return None
    return period.meter_events.order_by("-timestamp").first()
