"""The words for what becomes of a plan: what happens next, and what its end means."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from bencher import dates
from bencher.dates import Written
from bencher.tenancy.models import Organization
from billing import cover, money, noticing, pricing, wording
from billing.models import METERED_STATUSES, BillingPeriod, Level, Plan, Status
from billing.usage import Usage
from billing.wording import Said, Tone


@dataclass(frozen=True, slots=True)
class Event:
    """Something to come: `at` is None where no instant is known yet."""

    at: Written | None
    what: str


HELD = (
    "Its price or its item was changed at Stripe, so no new period is opened before our staff have"
    " looked. Reports are accepted as before, nothing is lost, and you need not do anything."
)


def status(plan: Plan, period: BillingPeriod | None) -> Said:
    """Say how a plan stands; of one in good standing that was canceled, that it ends."""
    said = wording.status(plan)
    if plan.cancel_at_period_end and said.tone is Tone.GOOD:
        return Said("Canceled", Tone.NEUTRAL, wording.renewal(plan, period))
    return said


def coming(plan: Plan, organization: Organization, usage: Usage) -> tuple[Event, ...]:
    """Say what happens next, in order; empty where only people or Stripe decide that."""
    period = usage.period
    if plan.status == Status.UNPAID:
        return _refusal(organization)
    if plan.level != Level.PRO or period is None or plan.status not in METERED_STATUSES:
        return ()
    if plan.cancel_at_period_end:
        return _end(period, organization)
    if plan.held_at:
        return (
            Event(
                dates.moment(period.ends_at), "The period ends, and is closed and charged as ever."
            ),
            Event(None, "The next one is opened once our staff have looked."),
        )
    if period.kind == BillingPeriod.Kind.TRIAL:
        return (
            Event(
                dates.moment(period.ends_at),
                "The trial ends and the first paid period begins. Up to then nothing is charged.",
            ),
            Event(
                None,
                f"A month later that period is charged, once, by its count: {_priced(usage)}.",
            ),
        )
    return (
        *(_retries() if plan.status == Status.PAST_DUE else ()),
        Event(dates.moment(period.ends_at), "The period ends, and the next one counts from zero."),
        Event(
            dates.moment(period.ends_at + settings.BILLING_CLOSE_DELAY),
            "The count is closed; its statement, which names every series, is among the invoices.",
        ),
        Event(None, "Stripe makes the invoice of it, sends it to you and charges your card."),
    )


def _priced(usage: Usage) -> str:
    """Say what the count of now costs in a paid period."""
    count = usage.count.billed
    return f"{count:,} series cost {money.written(pricing.amount_cents(usage.ladder, count))}"


def _retries() -> tuple[Event, ...]:
    return (
        Event(None, "Stripe charges the card again by itself, several times within about 2 weeks."),
        Event(
            None,
            "If that fails too, private projects take reports for another"
            f" {settings.PLAN_GRACE_DAYS} days, and then no more until the invoice is paid.",
        ),
    )


def _refusal(organization: Organization) -> tuple[Event, ...]:
    if organization.private_until is None:
        return ()
    return (
        Event(
            dates.moment(organization.private_until),
            "Private projects take no more reports from then on, unless the invoice is paid.",
        ),
    )


def _end(period: BillingPeriod, organization: Organization) -> tuple[Event, ...]:
    is_trial = period.kind == BillingPeriod.Kind.TRIAL
    last = "Nothing is charged." if is_trial else "Its last period is charged by its count."
    refused_at = organization.private_until or period.ends_at + cover.MARGIN
    return (
        Event(dates.moment(period.ends_at), f"The plan ends. {last}"),
        Event(
            dates.moment(refused_at),
            "Private projects take no more reports. What they have stays; public ones go on.",
        ),
    )


def trial_ending(plan: Plan, usage: Usage, *, now: datetime) -> str:
    """Say that the trial ends within days and what then; empty where it does not."""
    ends_at = plan.trial_ends_at
    is_soon = ends_at is not None and now < ends_at <= now + noticing.TRIAL_ENDS_WITHIN
    if plan.status != Status.TRIALING or plan.cancel_at_period_end or not ends_at or not is_soon:
        return ""
    cost = f" {_priced(usage)} a month." if usage.ladder else ""
    return (
        f"The trial ends in {dates.left(now=now, until=ends_at)}. To go on, you need not do"
        f" anything.{cost} To pay nothing, cancel before then."
    )


def unreachable(plan: Plan | None) -> str:
    """Say that Stripe does not answer, what is right all the same, and what has to wait."""
    waits = "canceling, resuming and payment" if plan else "subscribing"
    return (
        "The figures here are our own and are right; reports are accepted and counted as ever."
        f" Only {waits} must wait until it answers."
    )


def consequences(usage: Usage) -> tuple[str, ...]:
    """Say what canceling at the end of the period means, in sentences."""
    period = usage.period
    end = dates.moment(period.ends_at).text if period else "the end of the current period"
    said = [f"The plan ends at {end}. Until then everything works as before."]
    if period and usage.estimate_cents is not None:
        posted = f"{usage.last_event.value:,}" if usage.last_event else "nothing yet"
        said.append(
            f"The period is billed in full: {usage.count.billed:,} active series so far,"
            f" {money.written(usage.estimate_cents)}. Stripe was told {posted}."
        )
    return (
        *said,
        "From then on private projects take no reports; what they have stays, and public ones go"
        " on.",
        "Until then you can resume the plan. Later you can subscribe again, without a trial.",
    )


def ended(plan: Plan) -> str:
    """Say that an organization's last plan has ended, and what that means for a return."""
    on = f" on {dates.day(plan.ended_at).text}" if plan.ended_at else ""
    return (
        f"Your plan ended{on}. Projects, reports and statements are all still here, and private"
        " projects take reports again as soon as you subscribe. There is no second trial."
    )
