"""What the current period would cost with less or more: the same count and the same price."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from bencher.tenancy.models import Organization
from billing import offers, pricing, usage
from billing.models import BillingPeriod
from series import dropping


@dataclass(frozen=True, slots=True)
class Cost:
    """What a count costs, in cents; empty where nobody can tell the price."""

    series: int
    band: pricing.Band | None
    amount_cents: int | None
    without_trial_cents: int | None


@dataclass(frozen=True, slots=True)
class Simulation:
    """The current period as it is, and as it would be."""

    starts_at: datetime
    ends_at: datetime
    counted_at: datetime
    now: Cost
    then: Cost


@dataclass(frozen=True, slots=True)
class Changes:
    """What to leave out, by UUID, and how many series to add."""

    projects: Sequence[UUID] = ()
    testbeds: Sequence[UUID] = ()
    benchmarks: Sequence[UUID] = ()
    measures: Sequence[UUID] = ()
    add: int = 0


def cost(ladder: pricing.Ladder, series: int, *, in_trial: bool) -> Cost:
    """Return what a count costs by a ladder; a trial covers it."""
    if not ladder:
        return Cost(series, None, None, None)
    full = pricing.amount_cents(ladder, series)
    return Cost(
        series=series,
        band=pricing.band(ladder, series),
        amount_cents=0 if in_trial else full,
        without_trial_cents=full,
    )


def simulate(organization: Organization, changes: Changes, *, now: datetime) -> Simulation:
    """Return what the current period would cost with these changes.

    Without a plan the price is the one that Pro is sold at. Raises dropping.NoSuchEntityError for
    a UUID that is none of the organization's.
    """
    within = usage.bounds(organization, now=now)
    period = within.period
    dropped = dropping.resolve(
        organization.pk,
        projects=changes.projects,
        testbeds=changes.testbeds,
        benchmarks=changes.benchmarks,
        measures=changes.measures,
    )
    counted = dropping.count(
        organization.pk,
        dropped,
        start=within.starts_at,
        end=within.ends_at,
        basis=within.basis,
    )
    ladder = pricing.ladder(period.tiers) if period else offers.pro_ladder()
    in_trial = period is not None and period.kind == BillingPeriod.Kind.TRIAL
    return Simulation(
        starts_at=within.starts_at,
        ends_at=within.ends_at if period else now,
        counted_at=counted.counted_at,
        now=cost(ladder, counted.now, in_trial=in_trial),
        then=cost(ladder, counted.then + changes.add, in_trial=in_trial),
    )
