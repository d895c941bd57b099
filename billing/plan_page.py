"""The contents of the plan's page and of the page that asks before it is canceled."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from bencher import dates
from bencher.dates import Written
from bencher.tenancy.models import Organization
from billing import invoice_page, money, plan_wording, price_table, pricing, wording
from billing.invoice_page import OwedShown
from billing.invoices import Owed
from billing.models import Cancellation, Level, MeterEvent, Plan, Status
from billing.plan_wording import Event
from billing.price_table import BandRow
from billing.usage import Usage
from billing.wording import Said

# An invoice that is open for a moment, before its card is charged, is nothing to worry about.
_OWING = (Status.PAST_DUE, Status.UNPAID, Status.INCOMPLETE)


@dataclass(frozen=True, slots=True)
class Offer:
    """What an organization without a plan can do.

    `trial_days` is None where no trial is due; `ended` says that there was a plan, or is empty.
    """

    is_open: bool
    trial_days: int | None
    ended: str


@dataclass(frozen=True, slots=True)
class PeriodShown:
    """The current period, half-open, with the count and what it costs as it stands."""

    starts: Written
    ends: Written
    left: str
    series: str
    amount: str
    counted_at: Written


@dataclass(frozen=True, slots=True)
class PostShown:
    """The value that was posted last."""

    value: str
    at: Written
    delivery: Said


@dataclass(frozen=True, slots=True)
class LivePlan:
    """The live plan, with what happens next and what can be done."""

    level: str
    status: Said
    by_series: bool
    # Sentences about what is under way, each empty where it is not.
    canceling: str
    held: str
    trial_ending: str
    period: PeriodShown | None
    posted: PostShown | None
    coming: tuple[Event, ...]
    can_cancel: bool
    can_resume: bool


@dataclass(frozen=True, slots=True)
class PlanPage:
    """Everything that the plan's page shows."""

    organization: str
    slug: str
    plan: LivePlan | None
    offer: Offer | None
    ladder: tuple[BandRow, ...]
    examples: tuple[str, ...]
    has_customer: bool
    owed: OwedShown | None
    # Why nothing can be bought or changed right now; empty where it can.
    unreachable: str
    # Whom to ask about plans that nobody buys by a click; may be empty.
    contact: str


def plan_page(
    organization: Organization,
    *,
    usage: Usage,
    offered: pricing.Ladder,
    offer: Offer | None,
    has_customer: bool,
    owed: Owed | None,
    is_reachable: bool,
    now: datetime,
) -> PlanPage:
    """Return what the page shows; `offered` is the ladder for those who have no plan."""
    ladder = usage.ladder or offered
    return PlanPage(
        organization=organization.name,
        slug=organization.slug,
        plan=_live(usage.plan, organization, usage, now=now) if usage.plan else None,
        offer=offer,
        ladder=price_table.rows(ladder, usage.count.billed),
        examples=price_table.examples(ladder),
        has_customer=has_customer,
        owed=invoice_page.owed(owed) if usage.plan and usage.plan.status in _OWING else None,
        contact=settings.CONTACT_EMAIL,
        unreachable="" if is_reachable else plan_wording.unreachable(usage.plan),
    )


def offer(*, is_open: bool, trial_days: int | None, last: Plan | None) -> Offer:
    """Return the offer to an organization whose last plan, if any, has ended."""
    ended = plan_wording.ended(last) if last else ""
    return Offer(is_open=is_open, trial_days=trial_days, ended=ended)


def can_cancel(plan: Plan | None) -> bool:
    """Tell whether there is a plan whose end nobody has asked for yet."""
    return plan is not None and not (plan.cancel_at_period_end or hasattr(plan, "cancellation"))


def _live(plan: Plan, organization: Organization, usage: Usage, *, now: datetime) -> LivePlan:
    at_once: Cancellation | None = getattr(plan, "cancellation", None)
    return LivePlan(
        level=wording.level(plan),
        status=plan_wording.status(plan, usage.period),
        by_series=plan.level == Level.PRO,
        canceling=wording.ending(at_once) if at_once else "",
        held=plan_wording.HELD if plan.held_at else "",
        trial_ending=plan_wording.trial_ending(plan, usage, now=now),
        period=_period(usage, now=now),
        posted=_post(usage.last_event) if usage.last_event else None,
        coming=() if at_once else plan_wording.coming(plan, organization, usage),
        can_cancel=can_cancel(plan),
        can_resume=plan.cancel_at_period_end and at_once is None,
    )


def _period(usage: Usage, *, now: datetime) -> PeriodShown | None:
    period = usage.period
    if period is None or usage.estimate_cents is None:
        return None
    return PeriodShown(
        starts=dates.moment(period.starts_at),
        ends=dates.moment(period.ends_at),
        left=dates.left(now=now, until=period.ends_at),
        series=f"{usage.count.billed:,}",
        amount=money.written(usage.estimate_cents),
        counted_at=dates.time_of_day(usage.count.counted_at),
    )


def _post(event: MeterEvent) -> PostShown:
    return PostShown(
        value=f"{event.value:,}",
        at=dates.moment(event.timestamp),
        delivery=wording.delivery(event),
    )
