"""What notices say: a subject, sentences, figures, and where to go."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.urls import reverse

from bencher import dates
from bencher.tenancy.models import Organization
from billing import money, pricing
from billing.models import BillingPeriod, Budget, Notice, Status


@dataclass(frozen=True, slots=True)
class Fact:
    """A figure with its name."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class NoticeText:
    """A notice in words: `sentences` are paragraphs, `link` is where it is shown in full."""

    subject: str
    sentences: tuple[str, ...]
    facts: tuple[Fact, ...]
    link: str
    link_text: str
    settings_link: str


def of(notice: Notice) -> NoticeText:
    """Return what a notice says."""
    kind = Notice.Kind(notice.kind)
    subject, sentences, facts = _SAY[kind](notice, notice.figures)
    page, link_text = _PAGES.get(kind, ("billing", "Usage"))
    return _text(notice.organization, subject, sentences, facts, page=page, link_text=link_text)


def trial(organization: Organization) -> NoticeText:
    """Return what an e-mail says that only shows whether notices arrive."""
    return _text(
        organization,
        "e-mails arrive",
        ("You asked for this e-mail to see whether alerts arrive. Nothing has happened.",),
        (),
        page="alerts",
        link_text="Budgets and alerts",
    )


def _text(
    organization: Organization,
    subject: str,
    sentences: tuple[str, ...],
    facts: tuple[Fact, ...],
    *,
    page: str,
    link_text: str,
) -> NoticeText:
    return NoticeText(
        subject=f"{organization.name}: {subject}",
        sentences=sentences,
        facts=facts,
        link=settings.BASE_URL + reverse(page, args=[organization.slug]),
        link_text=link_text,
        settings_link=settings.BASE_URL + reverse("alerts", args=[organization.slug]),
    )


# Where a leader can do something about it; everything else is on the page of usage.
_PAGES = {
    Notice.Kind.TRIAL_ENDING: ("plan", "Plan"),
    Notice.Kind.PAYMENT_FAILED: ("plan", "Plan and payment"),
    Notice.Kind.STATEMENT_READY: ("invoices", "Invoices and statements"),
}

_Said = tuple[str, tuple[str, ...], tuple[Fact, ...]]


def _trial_ending(notice: Notice, figures: dict[str, Any]) -> _Said:
    ends = dates.moment(datetime.fromisoformat(figures["ends_at"]))
    return (
        "the trial ends soon",
        (
            f"The trial of Pro ends on {ends.text}. From then on the plan is paid, by the number of"
            " active series, and Stripe charges each period after it has ended.",
            "To go on, you need not do anything. To stop, cancel the plan before then; nothing is"
            " charged in that case.",
        ),
        (Fact("Trial ends", ends.text),),
    )


def _tier_crossed(notice: Notice, figures: dict[str, Any]) -> _Said:
    period = _period(notice)
    band = pricing.bands(pricing.ladder(period.tiers))[figures["band"]]
    series = figures["series"]
    amount = money.written(band.tier.amount(series))
    in_trial = period.kind == BillingPeriod.Kind.TRIAL
    return (
        f"{series:,} active series, in the band {money.band_range(band)}",
        (
            f"The count of this period has reached {series:,} active series, which is in the band"
            f" {money.band_range(band)}.",
            f"The trial covers this period; a paid one would cost {amount}."
            if in_trial
            else f"As it stands, the period costs {amount}.",
        ),
        (
            Fact("Active series", f"{series:,}"),
            Fact("Band", money.band_range(band)),
            Fact("Price of the band", money.band_price(band)),
            Fact("Counted at", _moment(figures["counted_at"])),
            Fact("Period", dates.span(period.starts_at, period.ends_at)),
        ),
    )


def _budget_reached(notice: Notice, figures: dict[str, Any]) -> _Said:
    period = _period(notice)
    used, limit = (_of_unit(figures["unit"], figures[name]) for name in ("used", "limit"))
    return (
        f"{figures['threshold']}% of the budget is reached",
        (
            f"The budget for a period is {limit}, and {used} of it are used.",
            "Nothing is cut off: reports are accepted and counted as before.",
        ),
        (
            Fact("Used", used),
            Fact("Budget", limit),
            Fact("Counted at", _moment(figures["counted_at"])),
            Fact("Period", dates.span(period.starts_at, period.ends_at)),
        ),
    )


def _payment_failed(_: Notice, figures: dict[str, Any]) -> _Said:
    if figures["status"] == Status.PAST_DUE:
        return (
            "a payment failed",
            (
                "Stripe could not collect the last invoice and tries again by itself. Private"
                " reports are still accepted.",
                "To pay now or to change the card, open the page below.",
            ),
            (),
        )
    until = figures["private_until"]
    return (
        "the last invoice is not paid",
        (
            "Stripe has stopped trying to collect the last invoice.",
            f"Private reports are accepted until {_moment(until)} and refused after that."
            if until
            else "Private reports are refused soon.",
            "Pay the invoice or change the card through the page below.",
        ),
        (),
    )


def _statement_ready(notice: Notice, figures: dict[str, Any]) -> _Said:
    period = _period(notice)
    span = dates.span(period.starts_at, period.ends_at)
    covered = figures["kind"] == BillingPeriod.Kind.TRIAL
    amount = money.written(figures["amount_cents"], figures["currency"])
    return (
        f"the statement for {span} is ready",
        (
            f"The period {span} is closed with {figures['series']:,} active series"
            + (", covered by the trial." if covered else f", which cost {amount}."),
            "The statement names every series and the reports that made it active. Its evidence"
            " has the SHA-256 below; keep it, and you can check the statement at any time.",
        ),
        (
            Fact("Active series", f"{figures['series']:,}"),
            Fact("Amount", amount),
            Fact("Statement", figures["statement"]),
            Fact("SHA-256 of the evidence", figures["sha256"]),
        ),
    )


_SAY: dict[Notice.Kind, Callable[[Notice, dict[str, Any]], _Said]] = {
    Notice.Kind.TRIAL_ENDING: _trial_ending,
    Notice.Kind.TIER_CROSSED: _tier_crossed,
    Notice.Kind.BUDGET_REACHED: _budget_reached,
    Notice.Kind.PAYMENT_FAILED: _payment_failed,
    Notice.Kind.STATEMENT_READY: _statement_ready,
}


def _period(notice: Notice) -> BillingPeriod:
    assert notice.period is not None
    return notice.period


def _moment(instant: str) -> str:
    return dates.moment(datetime.fromisoformat(instant)).text


def _of_unit(unit: str, number: int) -> str:
    return money.written(number) if unit == Budget.Unit.AMOUNT else f"{number:,} series"
