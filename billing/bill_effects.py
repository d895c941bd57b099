"""What a change to a project, or the end of an organization, does to the bill: said beforehand.

A flip of visibility or a deletion moves no rows: the count looks at what a project is when it
counts, and the close of a period looks for the last time.
"""

from dataclasses import dataclass
from datetime import datetime

from bencher.tenancy.models import Organization
from billing import money, offers, pricing, simulating, usage
from billing.models import BillingPeriod, Level
from billing.simulating import Cost
from billing.usage import Bounds
from series import counting
from series.counting import Basis
from series.models import Project, Visibility


@dataclass(frozen=True, slots=True)
class Effect:
    """The current period's bill as it is, and as it would be after a change to one project."""

    # Active series of the project in the period, billed or not.
    series: int
    before: Cost
    after: Cost
    within: Bounds
    counted_at: datetime

    @property
    def by_metrics(self) -> bool:
        """Tell whether an older plan bills metrics, of whatever project."""
        return self.within.plan is not None and self.within.plan.level != Level.PRO


def of_visibility(project: Project, visibility: Visibility, *, now: datetime) -> Effect:
    """Return what making a project public or private would do to the bill now."""
    return _effect(project, now=now, visibility=visibility)


def of_deletion(project: Project, *, now: datetime) -> Effect:
    """Return what deleting a project would do to the bill now."""
    return _effect(project, now=now, visibility=None)


def consequences_of_deletion(organization: Organization, now: datetime) -> list[str]:
    """Say what of the bill comes due when an organization is deleted."""
    used = usage.current(organization, now=now)
    if used.plan is None:
        return ["It has no plan, so nothing is charged."]
    if used.estimate_cents is None:
        return [
            f"Its plan {Level(used.plan.level).label} is canceled at once, and its last usage is"
            " billed."
        ]
    return [
        f"Its plan {Level(used.plan.level).label} is canceled at once, and the period so far is"
        f" billed: {used.count.billed:,} active series, {money.written(used.estimate_cents)}.",
        "That takes a few minutes, in which the organization is still listed.",
    ]


def _effect(project: Project, *, now: datetime, visibility: Visibility | None) -> Effect:
    within = usage.bounds(project.organization, now=now)
    count = counting.count_active(
        project.organization_id, start=within.starts_at, end=within.ends_at, basis=within.basis
    )
    own = next((one for one in count.projects if one.project_id == project.pk), None)
    series = own.series if own else 0
    billed = series if own and own.billed else 0
    counts = visibility is not None and _counts(visibility, within.basis)
    period = within.period
    ladder = pricing.ladder(period.tiers) if period else offers.pro_ladder()
    in_trial = period is not None and period.kind == BillingPeriod.Kind.TRIAL
    return Effect(
        series=series,
        before=simulating.cost(ladder, count.billed, in_trial=in_trial),
        after=simulating.cost(
            ladder, count.billed - billed + (series if counts else 0), in_trial=in_trial
        ),
        within=within,
        counted_at=count.counted_at,
    )


def _counts(visibility: Visibility, basis: Basis) -> bool:
    return basis is Basis.ALL or visibility is Visibility.PRIVATE
