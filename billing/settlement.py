"""Comparing a closed statement with the invoice that Stripe made of it."""

import logging
from datetime import datetime

from django.db import transaction

from billing import gateway, money
from billing.models import BillingPeriod, Settlement, Statement

logger = logging.getLogger(__name__)

FINAL = ("open", "paid", "uncollectible", "void")


def settle_due(*, now: datetime) -> int:
    """Settle every frozen statement whose invoice is final; returns how many were settled."""
    frozen = Statement.objects.filter(period__state=BillingPeriod.State.FROZEN).order_by("ends_at")
    settled = 0
    for statement in frozen.select_related("period"):
        try:
            settled += settle(statement, now=now) is not None
        except gateway.GatewayError:
            logger.exception("settlement failed", extra={"statement": statement.pk})
    return settled


def settle(statement: Statement, *, now: datetime) -> Settlement | None:
    """Compare a statement with its invoice and store the result; None while that is not final."""
    invoices = gateway.connect().invoices_of(statement.stripe_subscription_id)
    found = _billing(statement, invoices)
    if found is None or found.status not in FINAL:
        return None
    lines = _lines(statement, found)
    amount = sum(line.amount_cents for line in lines)
    quantities = [line.quantity for line in lines if line.quantity is not None]
    difference = _difference(statement, series=max(quantities, default=0), amount=amount)
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
