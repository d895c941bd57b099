"""The usage page's contents, ready to show: templates neither count nor format."""

from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

from django.urls import reverse

from bencher import dates
from bencher.dates import Written
from bencher.tenancy.models import Organization
from billing import chart, days, money, outlook, price_table, pricing, shares, wording
from billing.chart import Chart
from billing.models import BillingPeriod, Cancellation, Level, Plan, Statement
from billing.outlook import Action, BudgetShown, ChangeShown, ProjectionShown, TurnoverShown
from billing.price_table import BandRow
from billing.shares import ByLink, SharesShown
from billing.usage import Usage
from billing.usage_page import By, Ended, Period, Running
from billing.wording import Said
from series.counting import Basis


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
class StatementRow:
    """A closed period."""

    starts: Written
    ends: Written
    kind: str
    series: str
    amount: str
    invoice: Said


@dataclass(frozen=True, slots=True)
class PeriodTab:
    """A period to choose, as a link."""

    label: str
    query: str
    is_here: bool


@dataclass(frozen=True, slots=True)
class Curls:
    """How a program asks for what the page shows, as commands to copy."""

    usage: str
    growth: str
    series: str
    statements: str


@dataclass(frozen=True, slots=True)
class Frame:
    """What the page shows of any period: which one, and how its count is broken down."""

    organization: str
    slug: str
    tabs: tuple[PeriodTab, ...]
    by: str
    by_links: tuple[ByLink, ...]
    curls: Curls


@dataclass(frozen=True, slots=True)
class BillingPage:
    """Everything that the page shows of the current usage."""

    frame: Frame
    # The page that lists the current period's series.
    series_page: str
    organization: str
    slug: str
    plan: PlanShown | None
    period: PeriodShown | None
    action: Action | None
    following: str
    counted_at: Written
    counts_all: bool
    series: str
    price: PriceShown | None
    change: ChangeShown | None
    projected: ProjectionShown | None
    budgets: tuple[BudgetShown, ...]
    chart: Chart | None
    shares: SharesShown | None
    turnover: TurnoverShown | None
    # Empty where there are none.
    metrics: str
    runner_minutes: str
    runner_price: str
    ladder: tuple[BandRow, ...]
    is_sold: bool
    has_reported: bool


@dataclass(frozen=True, slots=True)
class EndedPage:
    """Everything that the page shows of a period that has ended."""

    frame: Frame
    organization: str
    slug: str
    starts: Written
    ends: Written
    kind: str
    # The page that lists the period's series.
    series_page: str
    # None until the period is closed.
    statement: StatementRow | None
    statement_uuid: str
    change: ChangeShown | None
    chart: Chart | None
    shares: SharesShown | None


_TABS = {
    Period.CURRENT: "Current period",
    Period.LAST: "Last period",
    Period.PENULTIMATE: "The one before",
}


def frame(organization: Organization, *, which: Period, by: By, base_url: str) -> Frame:
    """Return what surrounds any period: the choice of periods and of breakdowns, and commands."""
    api = f"{base_url}/v0/organizations/{organization.slug}"
    asked = {Period.CURRENT: "current", Period.LAST: "previous"}.get(which, "START")
    return Frame(
        organization=organization.name,
        slug=organization.slug,
        tabs=tuple(
            PeriodTab(text, f"?period={period}&by={by}", is_here=period == which)
            for period, text in _TABS.items()
        ),
        by=shares.label(by),
        by_links=shares.links(which, by),
        curls=Curls(
            usage=_curl(f"{api}/usage"),
            growth=_curl(f"{api}/usage/growth"),
            series=_curl(f"{api}/usage/series?period={asked}"),
            statements=_curl(f"{api}/statements"),
        ),
    )


def _curl(address: str) -> str:
    return f'curl -H "Authorization: Bearer $BENCHER_API_KEY" \\\n  "{address}"'


def billing_page(
    around: Frame,
    found: Running,
    *,
    by: By,
    offered: pricing.Ladder,
    is_sold: bool,
    trial_days: int | None,
    runner_minute_cents: Decimal | None,
    now: datetime,
) -> BillingPage:
    """Return what the page shows now; `offered` is the ladder for those who have no plan."""
    usage = found.usage
    ladder = usage.ladder or offered
    count = usage.count.billed
    return BillingPage(
        frame=around,
        series_page=reverse("billing-series", args=[around.slug]),
        organization=around.organization,
        slug=around.slug,
        plan=_plan(usage.plan, usage) if usage.plan else None,
        period=_period(usage.period, now=now) if usage.period else None,
        action=outlook.action(
            usage.plan,
            trial_days=trial_days,
            is_sold=is_sold,
        ),
        following=outlook.following(usage),
        counted_at=dates.time_of_day(usage.count.counted_at),
        counts_all=usage.basis == Basis.ALL,
        series=f"{count:,}",
        price=_price(usage, ladder) if ladder else None,
        change=outlook.change(usage, found.change),
        projected=outlook.projected(usage, found.projection, found.change),
        budgets=tuple(outlook.budget(budget, usage) for budget in found.budgets)
        if usage.period
        else (),
        chart=_chart(usage.period, found),
        shares=_shares(found, by),
        turnover=outlook.turned_over(usage, found.change, found.newest),
        metrics="" if usage.metrics is None else f"{usage.metrics:,}",
        runner_minutes=f"{usage.runner_minutes:,}" if usage.runner_minutes else "",
        runner_price=_runner_price(usage, runner_minute_cents),
        ladder=price_table.rows(ladder, count),
        is_sold=is_sold,
        has_reported=found.has_reported,
    )


def ended_page(around: Frame, found: Ended, *, by: By) -> EndedPage:
    """Return what the page shows of a period that has ended."""
    period, statement = found.period, found.statement
    return EndedPage(
        frame=around,
        organization=around.organization,
        slug=around.slug,
        starts=dates.moment(period.starts_at),
        ends=dates.moment(period.ends_at),
        kind=BillingPeriod.Kind(period.kind).label,
        series_page=reverse("billing-series-period", args=[around.slug, period.starts_at]),
        statement=_statement(statement) if statement else None,
        statement_uuid=str(statement.uuid) if statement else "",
        change=outlook.change_of_closed(statement, found.before) if statement else None,
        chart=chart.draw(
            found.growth,
            found.growth_before,
            number_of_days=len(found.growth),
            ladder=pricing.ladder(period.tiers),
        )
        if statement
        else None,
        shares=_shares_of_closed(found, statement, by) if statement else None,
    )


def _chart(period: BillingPeriod | None, found: Running) -> Chart | None:
    if period is None:
        return None
    return chart.draw(
        found.growth,
        found.growth_before,
        number_of_days=len(days.days_of(period.starts_at, period.ends_at)),
        ladder=found.usage.ladder,
    )


def _shares(found: Running, by: By) -> SharesShown | None:
    count = found.usage.count
    if not count.projects:
        return None
    if found.parts is not None:
        return shares.of_parts(found.parts, by, billed=count.billed)
    return shares.of_projects(count.projects, billed=count.billed)


def _shares_of_closed(found: Ended, statement: Statement, by: By) -> SharesShown | None:
    if not found.groups:
        return None
    if found.parts is not None:
        return shares.of_parts(found.parts, by, billed=statement.series)
    return shares.of_projects(shares.of_groups(found.groups), billed=statement.series)


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
