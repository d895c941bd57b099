"""The usage page's contents, ready to show: templates neither count nor format."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

from bencher import dates
from bencher.dates import Written
from bencher.tenancy.models import Organization
from billing import money, price_table, pricing, wording
from billing.models import BillingPeriod, Cancellation, Level, Plan, Statement
from billing.price_table import BandRow
from billing.usage import Usage
from billing.wording import Said
from series.counting import Basis, ProjectCount


@dataclass(frozen=True, slots=True)
class PlanShown:
    """The live plan."""

    level: str
    status: Said
    renewal: str
    by_series: bool
    # What is under way where staff end the plan at once.
    canceling: str


@dataclass(frozen=True, slots=True)
class PeriodShown:
    """The current period, half-open."""

    kind: str
    starts: Written
    ends: Written
    left: str


@dataclass(frozen=True, slots=True)
class PriceShown:
    """What the count costs: `amount` is charged, `without_trial` would be."""

    band: str
    band_price: str
    amount: str
    without_trial: str
    room: str
    filled: str


@dataclass(frozen=True, slots=True)
class ProjectRow:
    """One project's share of the count."""

    name: str
    visibility: str
    series: str
    billed: Said


@dataclass(frozen=True, slots=True)
class StatementRow:
    """A closed period."""

    starts: Written
    ends: Written
    kind: str
    series: str
    amount: str
    invoice: Said


@dataclass(frozen=True, slots=True)
class BillingPage:
    """Everything that the billing page shows."""

    organization: str
    slug: str
    plan: PlanShown | None
    period: PeriodShown | None
    counted_at: Written
    counts_all: bool
    series: str
    not_billed: str
    price: PriceShown | None
    # Empty where there are none.
    metrics: str
    runner_minutes: str
    runner_price: str
    ladder: tuple[BandRow, ...]
    projects: tuple[ProjectRow, ...]
    statements: tuple[StatementRow, ...]


def billing_page(
    organization: Organization,
    *,
    usage: Usage,
    offered: pricing.Ladder,
    statements: Sequence[Statement],
    runner_minute_cents: Decimal | None,
    now: datetime,
) -> BillingPage:
    """Return what the page shows; `offered` is the ladder for those who have no plan."""
    ladder = usage.ladder or offered
    count = usage.count.billed
    return BillingPage(
        organization=organization.name,
        slug=organization.slug,
        plan=_plan(usage.plan, usage) if usage.plan else None,
        period=_period(usage.period, now=now) if usage.period else None,
        counted_at=dates.time_of_day(usage.count.counted_at),
        counts_all=usage.period is not None and usage.period.basis == Basis.ALL,
        series=f"{count:,}",
        not_billed=f"{sum(p.series for p in usage.count.projects if not p.billed):,}",
        price=_price(usage, ladder) if ladder else None,
        metrics="" if usage.metrics is None else f"{usage.metrics:,}",
        runner_minutes=f"{usage.runner_minutes:,}" if usage.runner_minutes else "",
        runner_price=_runner_price(usage, runner_minute_cents),
        ladder=price_table.rows(ladder, count),
        projects=tuple(_project(project) for project in usage.count.projects),
        statements=tuple(_statement(statement) for statement in statements),
    )


def _runner_price(usage: Usage, minute_cents: Decimal | None) -> str:
    if minute_cents is None or usage.plan is None:
        return ""
    exact = minute_cents * usage.runner_minutes
    return money.written(int(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP)))


def _plan(plan: Plan, usage: Usage) -> PlanShown:
    at_once: Cancellation | None = getattr(plan, "cancellation", None)
    return PlanShown(
        level=wording.level(plan),
        status=wording.status(plan),
        renewal=wording.renewal(plan, usage.period),
        by_series=plan.level == Level.PRO,
        canceling=wording.ending(at_once) if at_once else "",
    )


def _period(period: BillingPeriod, *, now: datetime) -> PeriodShown:
    return PeriodShown(
        kind=BillingPeriod.Kind(period.kind).label,
        starts=dates.moment(period.starts_at),
        ends=dates.moment(period.ends_at),
        left=dates.left(now=now, until=period.ends_at),
    )


def _price(usage: Usage, ladder: pricing.Ladder) -> PriceShown:
    count = usage.count.billed
    band = pricing.band(ladder, count)
    full = band.tier.amount(count)
    charged = full if usage.estimate_cents is None else usage.estimate_cents
    end = band.tier.up_to
    return PriceShown(
        band=money.band_range(band),
        band_price=money.band_price(band),
        amount=money.written(charged),
        without_trial=money.written(full) if charged != full else "",
        room=_room(ladder, band, count),
        filled=f"{100 * count // end}%" if end else "",
    )


def _room(ladder: pricing.Ladder, band: pricing.Band, count: int) -> str:
    end = band.tier.up_to
    if end is None:
        return f"Each further series adds {money.written_exactly(band.tier.unit_cents)}."
    following = money.written(pricing.amount_cents(ladder, end + 1))
    if count == end:
        return f"This band is full: one more series makes it {following}."
    return f"{end - count:,} more fit in this band; {end + 1:,} series cost {following}."


def _project(project: ProjectCount) -> ProjectRow:
    return ProjectRow(
        name=project.name,
        visibility=wording.visibility(project),
        series=f"{project.series:,}",
        billed=wording.billed(project),
    )


def _statement(statement: Statement) -> StatementRow:
    latest = max(statement.settlements.all(), key=lambda found: found.settled_at, default=None)
    return StatementRow(
        starts=dates.moment(statement.starts_at),
        ends=dates.moment(statement.ends_at),
        kind=BillingPeriod.Kind(statement.kind).label,
        series=f"{statement.series:,}",
        amount=money.written(statement.amount_cents, statement.currency),
        invoice=wording.invoice(latest),
    )
