"""Comparing a closed statement with the invoice that Stripe made of it."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from billing import gateway, money
from billing.models import BillingPeriod, Settlement, Statement

logger = logging.getLogger(__name__)

FINAL = ("open", "paid", "uncollectible", "void")
# How long to leave a statement alone whose invoice is not final yet.
PATIENCE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Invoiced:
    """What a final invoice says of a period; amount in cents."""

    invoice_id: str
    series: int | None
    amount_cents: int
    voided: bool


def settle_due(*, now: datetime) -> int:
    """Settle every frozen statement whose invoice is final; returns how many were settled."""
    waiting = Q(period__settle_after=None) | Q(period__settle_after__lte=now)
    frozen = Statement.objects.filter(waiting, period__state=BillingPeriod.State.FROZEN)
    settled = 0
    for statement in frozen.select_related("period").order_by("ends_at"):
        try:
            invoices = gateway.connect().invoices_of(statement.stripe_subscription_id)
            settled += _settle(statement, invoices, now=now) is not None
        except gateway.TemporaryError:
            logger.warning("Stripe does not answer", extra={"statement": statement.pk})
            break
        except gateway.RefusedError:
            logger.exception("settlement failed", extra={"statement": statement.pk})
    return settled


def settle_subscription(subscription_id: str, *, now: datetime) -> int:
    """Settle the frozen statements of one subscription; returns how many."""
    frozen = list(
        Statement.objects.filter(
            stripe_subscription_id=subscription_id, period__state=BillingPeriod.State.FROZEN
        ).select_related("period")
    )
    if not frozen:
        return 0
    invoices = gateway.connect().invoices_of(subscription_id)
    return sum(_settle(statement, invoices, now=now) is not None for statement in frozen)


def _settle(
    statement: Statement, invoices: list[gateway.Invoice], *, now: datetime
) -> Settlement | None:
    """Compare a statement with its invoice and store the result; None while that is not final."""
    found = invoiced(statement.period, invoices)
    if found is None:
        BillingPeriod.objects.filter(pk=statement.period_id).update(settle_after=now + PATIENCE)
        return None
    difference = (
        "The invoice was voided."
        if found.voided
        else _difference(statement, series=found.series or 0, amount=found.amount_cents)
    )
    with transaction.atomic(durable=True):
        settlement, _ = Settlement.objects.get_or_create(
            statement=statement,
            stripe_invoice_id=found.invoice_id,
            defaults={
                "series": found.series,
                "amount_cents": found.amount_cents,
                "agrees": not difference,
                "difference": difference,
                "settled_at": now,
            },
        )
        BillingPeriod.objects.filter(
            pk=statement.period_id, state=BillingPeriod.State.FROZEN
        ).update(state=BillingPeriod.State.SETTLED)
    if difference:
        logger.error("invoice differs", extra={"statement": statement.pk, "why": difference})
    return settlement


def invoiced(period: BillingPeriod, invoices: list[gateway.Invoice]) -> Invoiced | None:
    """Return what the invoice that bills a period says of it; None while that is not final."""
    for invoice in invoices:
        lines = lines_of(
            invoice,
            price_id=period.stripe_price_id,
            starts_at=period.starts_at,
            ends_at=period.ends_at,
            invoiced_until=period.invoiced_until,
        )
        if lines:
            quantities = [line.quantity for line in lines if line.quantity is not None]
            final = Invoiced(
                invoice_id=invoice.id,
                series=max(quantities, default=None),
                amount_cents=sum(line.amount_cents for line in lines),
                voided=invoice.status == "void",
            )
            return final if invoice.status in FINAL else None
    return None


def lines_of(
    invoice: gateway.Invoice,
    *,
    price_id: str,
    starts_at: datetime,
    ends_at: datetime,
    invoiced_until: datetime | None,
) -> list[gateway.InvoiceLine]:
    """Return the lines by which an invoice bills a period at a price.

    A period that we cut before Stripe's own end is on a line that ends where Stripe's does.
    """
    return [
        line
        for line in invoice.lines
        if (line.price_id, line.starts_at) == (price_id, starts_at)
        and line.ends_at in (ends_at, invoiced_until)
    ]


def _difference(statement: Statement, *, series: int, amount: int) -> str:
    if amount != statement.amount_cents:
        charged, owed = (
            money.written(cents, statement.currency) for cents in (amount, statement.amount_cents)
        )
        return f"The invoice charges {charged}, the statement {owed}."
    if statement.kind == BillingPeriod.Kind.PAID and series != statement.series:
        return f"The invoice counts {series} series, the statement {statement.series}."
    return ""
