"""Judging the figures of a period: what differs, and why it probably does. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from billing import money
from billing.figures import Figures
from billing.models import BillingPeriod, Drift
from billing.settlement import Invoiced

# Stripe sums meters up asynchronously: what was sent since then is pending, and no drift.
LAG = timedelta(minutes=20)
# A sweep posts every night, so a period without a value after this has been forgotten.
FIRST_POST = timedelta(hours=36)
# Close runs every minute; what it could not close by then needs a person.
OVERDUE = timedelta(hours=1)
# Drafts become final after an hour, and three days at most.
FINAL_WITHIN = timedelta(days=4)

Reason = Drift.Reason


@dataclass(frozen=True, slots=True)
class AtStripe:
    """What Stripe holds of a period; no invoice while there is no final one."""

    summary: int
    invoiced: Invoiced | None


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference with its likely reason."""

    reason: Drift.Reason
    sentence: str


def differences(
    figures: Figures,
    stripe: AtStripe | None,
    *,
    close_delay: timedelta,
    is_dark: bool,
    now: datetime,
) -> list[Difference]:
    """Return everything that differs, causes before effects; Stripe's part only where it is known.

    The first one names the likely reason.
    """
    found = list(_proof(figures))
    if figures.state == BillingPeriod.State.OPEN and now > figures.ends_at + close_delay + OVERDUE:
        found += [Difference(Reason.NOT_CLOSED, "The period has ended and is not closed.")]
    if not is_dark:
        found += _post(figures, now=now)
    if stripe is not None:
        found += _stripe(figures, stripe, now=now)
    return found


def _proof(figures: Figures) -> Iterator[Difference]:
    """Compare ledger, reports and statement."""
    if figures.recount is not None:
        yield from _recounted(figures)
    if not figures.evidence_agrees:
        yield Difference(Reason.EVIDENCE, "The statement's lines do not have its hash any more.")


def _recounted(figures: Figures) -> Iterator[Difference]:
    if figures.count is not None and figures.count != figures.recount:
        yield Difference(
            Reason.LEDGER,
            f"The ledger counts {figures.count} series, the reports {figures.recount}.",
        )
    elif figures.astray:
        were = "series was" if figures.astray == 1 else "series were"
        yield Difference(
            Reason.LEDGER,
            f"{figures.astray} {were} last seen at another instant by the reports.",
        )
    closed = (figures.statement_series, figures.statement_total)
    if closed not in ((None, None), (figures.recount, figures.recount_all)):
        yield Difference(
            Reason.RECOUNT,
            f"The statement has {closed[0]} of {closed[1]} series billed, the reports"
            f" {figures.recount} of {figures.recount_all}.",
        )


def _post(figures: Figures, *, now: datetime) -> Iterator[Difference]:
    """Compare the value stored last with what should have been posted, and see it delivered."""
    if figures.value is None or figures.counted_at is None:
        begun = now - figures.starts_at > FIRST_POST
        if figures.closed_at is not None or (begun and figures.metered and now < figures.ends_at):
            yield Difference(Reason.NOT_POSTED, "Nothing was posted for this period.")
        return
    if figures.rejected_at is not None:
        yield Difference(Reason.REJECTED, f"Stripe rejected the event of {figures.value} series.")
    elif figures.sent_at is None and figures.held_back:
        yield Difference(
            Reason.NOT_DELIVERED, f"The event of {figures.value} series is held back by staff."
        )
    elif figures.sent_at is None and now - figures.counted_at > LAG:
        yield Difference(
            Reason.NOT_DELIVERED, f"The event of {figures.value} series was not delivered."
        )
    yield from _value(figures, figures.value)


def _value(figures: Figures, value: int) -> Iterator[Difference]:
    if figures.statement_series is not None:
        if value != figures.statement_series:
            yield Difference(
                Reason.OUTBOX,
                f"The value stored last is {value}, the statement {figures.statement_series}.",
            )
        return
    if figures.recount is None:
        return
    # What was reported since the count will be posted with the next value.
    if not figures.recount - (figures.recount_since or 0) <= value <= figures.recount:
        reason = Reason.PROJECT_CHANGED if figures.project_changed else Reason.OUTBOX
        yield Difference(
            reason, f"The value stored last is {value}, the reports say {figures.recount}."
        )


def _stripe(figures: Figures, stripe: AtStripe, *, now: datetime) -> Iterator[Difference]:
    delivered = figures.delivered or 0
    if stripe.summary != delivered and stripe.summary not in figures.arriving:
        yield Difference(
            Reason.STRIPE,
            f"Stripe's meter holds {stripe.summary}, delivered was {delivered}.",
        )
    if figures.statement_series is None or figures.closed_at is None:
        return
    if stripe.invoiced is None:
        if now - figures.closed_at > FINAL_WITHIN:
            yield Difference(Reason.NOT_SETTLED, "There is no final invoice for this period.")
        return
    yield from _invoice(figures, stripe.invoiced)
    yield from _settlement(figures, stripe.invoiced, now=now)


def _invoice(figures: Figures, invoiced: Invoiced) -> Iterator[Difference]:
    if invoiced.voided:
        yield Difference(Reason.INVOICE, f"Invoice {invoiced.invoice_id} was voided.")
        return
    if invoiced.amount_cents != figures.statement_cents:
        yield Difference(
            Reason.INVOICE,
            f"Invoice {invoiced.invoice_id} charges {money.written(invoiced.amount_cents)}, the"
            f" statement {money.written(figures.statement_cents or 0)}.",
        )
    in_trial = figures.kind == BillingPeriod.Kind.TRIAL
    if not in_trial and (invoiced.series or 0) != figures.statement_series:
        yield Difference(
            Reason.INVOICE,
            f"Invoice {invoiced.invoice_id} counts {invoiced.series or 0} series, the statement"
            f" {figures.statement_series}.",
        )


def _settlement(figures: Figures, invoiced: Invoiced, *, now: datetime) -> Iterator[Difference]:
    if figures.settled_invoice is None:
        # Settling runs every minute; an invoice that became final just now is no drift yet.
        if figures.closed_at is not None and now - figures.closed_at > FINAL_WITHIN:
            yield Difference(
                Reason.NOT_SETTLED, f"Invoice {invoiced.invoice_id} was never compared."
            )
        return
    settled = (figures.settled_invoice, figures.settled_series, figures.settled_cents)
    if settled != (invoiced.invoice_id, invoiced.series, invoiced.amount_cents):
        yield Difference(
            Reason.SETTLEMENT,
            f"The settlement says {settled[1]} series and {money.written(settled[2] or 0)} for"
            f" {settled[0]}; invoice {invoiced.invoice_id} says {invoiced.series} and"
            f" {money.written(invoiced.amount_cents)}.",
        )
