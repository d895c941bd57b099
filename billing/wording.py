"""The words for plans, periods and posts: what a state means and what to do about it."""

from dataclasses import dataclass
from enum import StrEnum

from bencher import dates
from bencher.numbers import counted
from billing.models import (
    BillingPeriod,
    Cancellation,
    Level,
    MeterEvent,
    Plan,
    Settlement,
    Status,
)
from series.counting import ProjectCount


class Tone(StrEnum):
    """How much a state needs attention; pages say it in words too, never by color alone."""

    GOOD = "good"
    NEUTRAL = "neutral"
    ATTENTION = "attention"


@dataclass(frozen=True, slots=True)
class Said:
    """A state in a word, how much it matters, and a sentence about it."""

    word: str
    tone: Tone
    meaning: str = ""


_STATUSES = {
    Status.TRIALING: Said("Trial", Tone.GOOD, "Nothing is charged while the trial lasts."),
    Status.ACTIVE: Said("Active", Tone.GOOD, "Stripe charges each period after it has ended."),
    Status.PAST_DUE: Said(
        "Payment overdue",
        Tone.ATTENTION,
        "Stripe could not collect the last invoice and tries again by itself. Private reports are"
        " still accepted. Pay or change the card under “Payment method and invoices”.",
    ),
    Status.UNPAID: Said(
        "Unpaid",
        Tone.ATTENTION,
        "Stripe has stopped trying to collect the last invoice. Private reports will be refused"
        " soon. Pay under “Payment method and invoices”; the plan then goes on.",
    ),
    Status.PAUSED: Said(
        "Paused",
        Tone.ATTENTION,
        "The trial has ended and Stripe has no card to charge, so the plan rests: nothing is"
        " counted and nothing is charged. Add a card under “Payment method and invoices”.",
    ),
    Status.INCOMPLETE: Said(
        "Waiting for the first payment",
        Tone.ATTENTION,
        "The first payment has not gone through. Confirm it under “Payment method and invoices”;"
        " after a day Stripe gives up and you can subscribe again.",
    ),
    Status.INCOMPLETE_EXPIRED: Said(
        "Expired", Tone.NEUTRAL, "The first payment never went through."
    ),
    Status.CANCELED: Said("Canceled", Tone.NEUTRAL, "The plan has ended."),
}


def status(plan: Plan) -> Said:
    """Say how a plan stands."""
    return _STATUSES[Status(plan.status)]


def level(plan: Plan) -> str:
    """Name a plan."""
    return Level(plan.level).label


def renewal(plan: Plan, period: BillingPeriod | None) -> str:
    """Say what comes after the current period, where that is not just the next one."""
    if plan.cancel_at_period_end:
        end = f" on {dates.day(period.ends_at).text}" if period else " with this period"
        return f"Canceled: the plan ends{end} and is not renewed."
    if plan.status == Status.TRIALING and plan.trial_ends_at:
        return (
            f"From {dates.moment(plan.trial_ends_at).text} on the plan is paid, by the number of"
            " active series."
        )
    return ""


def ending(cancellation: Cancellation) -> str:
    """Say that a plan is being ended at once."""
    return (
        "This plan is being ended at once: nothing is counted from"
        f" {dates.moment(cancellation.ends_at).text} on, and the last usage is billed in the next"
        " minutes."
    )


def billed(project: ProjectCount) -> Said:
    """Say whether a project's series are billed, and why not."""
    if project.billed:
        return Said("Billed", Tone.GOOD)
    if project.deleted:
        return Said("Not billed", Tone.NEUTRAL, "The project is deleted.")
    return Said("Not billed", Tone.NEUTRAL, "Public projects are free.")


def visibility(project: ProjectCount) -> str:
    """Say who sees a project."""
    shown = project.visibility.capitalize()
    return f"{shown}, deleted" if project.deleted else shown


def delivery(event: MeterEvent) -> Said:
    """Say how far a posted value has come."""
    if event.sent_at:
        return Said("Received by Stripe", Tone.GOOD)
    if event.rejected_at:
        return Said(
            "Refused by Stripe", Tone.ATTENTION, "Our staff see it; your bill will be right."
        )
    if event.superseded_at:
        return Said("Replaced by a newer value", Tone.NEUTRAL)
    return Said("Waiting to be sent", Tone.NEUTRAL)


def invoice(settlement: Settlement | None) -> Said:
    """Say whether a closed period's invoice agreed."""
    if settlement is None:
        return Said("Not final yet", Tone.NEUTRAL)
    if settlement.agrees:
        return Said("Agrees", Tone.GOOD)
    return Said("Differs", Tone.ATTENTION, settlement.difference)


def ran(result: dict[str, int] | None) -> str:
    """Say what a scheduled run did, by its own counts: 1 plan, 12 events, 0 failed."""
    # First how many there were, then what became of them: JSON keeps no order.
    counts = sorted((result or {}).items(), key=lambda count: not count[0].endswith("s"))
    return ", ".join(_done(what, number) for what, number in counts) or "no result"


def _done(what: str, number: int) -> str:
    # Things stand in the plural there, what became of them does not.
    return counted(number, what[:-1]) if what.endswith("s") else f"{number:,} {what}"
