"""Comparing a closed statement with the invoice that Stripe made of it."""

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from billing import gateway, money
from billing.models import BillingPeriod, Settlement, Statement

logger = logging.getLogger(__name__)

FINAL = ("open", "paid", "uncollectible", "void")
# How long to leave a statement alone whose invoice is not final yet.
PATIENCE = timedelta(minutes=10)


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


def settle_invoice(invoice: gateway.Invoice, *, now: datetime) -> int:
    """Settle the frozen statements that an invoice bills; returns how many."""
    frozen = Statement.objects.filter(
        stripe_subscription_id=invoice.subscription_id, period__state=BillingPeriod.State.FROZEN
    ).select_related("period")
    return sum(_settle(statement, [invoice], now=now) is not None for statement in frozen)


def _settle(
    statement: Statement, invoices: list[gateway.Invoice], *, now: datetime
) -> Settlement | None:
    """Compare a statement with its invoice and store the result; None while that is not final."""
    found = _billing(statement, invoices)
    if found is None or found.status not in FINAL:
        BillingPeriod.objects.filter(pk=statement.period_id).update(settle_after=now + PATIENCE)
        return None
    lines = _lines(statement, found)
    amount = sum(line.amount_cents for line in lines)
    quantities = [line.quantity for line in lines if line.quantity is not None]
    difference = (
        "The invoice was voided."
        if found.status == "void"
        else _difference(statement, series=max(quantities, default=0), amount=amount)
    )
    with transaction.atomic(durable=True):
        settlement, _ = Settlement.objects.get_or_create(
            statement=statement,
            stripe_invoice_id=found.id,
            defaults={
                "series": max(quantities, default=None),
                "amount_cents": amount,
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


def _billing(statement: Statement, invoices: list[gateway.Invoice]) -> gateway.Invoice | None:
    """Return the invoice that bills the statement's period."""
    return next((invoice for invoice in invoices if _lines(statement, invoice)), None)


def _lines(statement: Statement, invoice: gateway.Invoice) -> list[gateway.InvoiceLine]:
    return [
        line
        for line in invoice.lines
        if line.price_id == statement.period.stripe_price_id
        and line.starts_at == statement.starts_at
        and line.ends_at == statement.ends_at
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
