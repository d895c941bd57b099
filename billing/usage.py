"""What an organization uses now and what it will cost: the one figure of page, API and command."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection
from django.db.models import Sum

from bencher.tenancy.models import Organization
from billing import pricing
from billing.models import (
    BillingPeriod,
    Level,
    MeterEvent,
    MetricsPeriod,
    Plan,
    RunnerMinutes,
)
from series import counting, received
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
    basis: Basis
    count: ActiveCount
    ladder: pricing.Ladder
    band: pricing.Band | None
    estimate_cents: int | None
    last_event: MeterEvent | None
    # Of an older plan's reports; None where series are billed.
    metrics: int | None
    runner_minutes: int


@dataclass(frozen=True, slots=True)
class Bounds:
    """Between which instants an organization's usage is counted now, and of which projects."""

    plan: Plan | None
    period: BillingPeriod | None
    starts_at: datetime
    ends_at: datetime
    # There is no period: these are the last thirty days, and what may come.
    is_trailing: bool
    basis: Basis


def bounds(organization: Organization, *, now: datetime) -> Bounds:
    """Return the current period's bounds; without one, the last thirty days and what may come."""
    live = Plan.objects.filter(organization=organization, ended_at=None)
    plan = live.select_related("cancellation").first()
    period = open_period(plan, now=now)
    within = period or _metrics_period(plan, now=now)
    return Bounds(
        plan=plan,
        period=period,
        starts_at=within.starts_at if within else now - TRAILING,
        ends_at=within.ends_at if within else now + TRAILING,
        is_trailing=within is None,
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
        ends_at=now if within.is_trailing else within.ends_at,
        basis=within.basis,
        count=count,
        ladder=ladder,
        band=pricing.band(ladder, count.billed) if ladder else None,
        estimate_cents=estimate_cents(period, ladder, count.billed) if period else None,
        last_event=_last_event(period),
        metrics=None if plan is None or plan.level == Level.PRO else _metrics(within),
        runner_minutes=_runner_minutes(within, organization),
    )


def open_period(plan: Plan | None, *, now: datetime) -> BillingPeriod | None:
    """Return the period of a Pro plan that an instant lies in."""
    if plan is None or plan.level != Level.PRO:
        return None
    return plan.periods.filter(starts_at__lte=now, ends_at__gt=now).first()


def _metrics_period(plan: Plan | None, *, now: datetime) -> MetricsPeriod | None:
    if plan is None or plan.level == Level.PRO:
        return None
    return plan.metrics_periods.filter(starts_at__lte=now, ends_at__gt=now).first()


def _metrics(within: Bounds) -> int:
    """Return the metrics of the reports received within bounds, as they are billed."""
    assert within.plan is not None
    own = within.plan.metrics_periods.filter(starts_at=within.starts_at).first()
    sent = received.sql(organization="%(organization)s", since="%(since)s", before="%(before)s")
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT coalesce(sum(metrics), 0)::bigint FROM ({sent}) report",  # noqa: S608
            {
                "organization": within.plan.organization_id,
                "since": own.metered_from if own else within.starts_at,
                "before": within.ends_at,
            },
        )
        row = cursor.fetchone()
    assert row is not None
    return int(row[0])


def _runner_minutes(within: Bounds, organization: Organization) -> int:
    worked = RunnerMinutes.objects.filter(
        organization=organization,
        received_at__gte=within.starts_at,
        received_at__lt=within.ends_at,
    )
    return worked.aggregate(minutes=Sum("minutes"))["minutes"] or 0


def estimate_cents(period: BillingPeriod, ladder: pricing.Ladder, count: int) -> int:
    """Return what a count would cost in a period; 0 in a trial."""
    if period.kind == BillingPeriod.Kind.TRIAL:
        return 0
    return pricing.amount_cents(ladder, count)


def _last_event(period: BillingPeriod | None) -> MeterEvent | None:
    if period is None:
        return None
    return period.meter_events.order_by("-timestamp").first()
