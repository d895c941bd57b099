"""Handling what Stripe told: re-read the object and store what it says now."""

import logging
from datetime import datetime

from billing import checkouts, gateway, plans, pricing, settlement
from billing.models import Plan, WebhookReceipt

logger = logging.getLogger(__name__)


def handle(receipt: WebhookReceipt, *, now: datetime) -> None:
    """Bring our rows up to date with the object that an event names.

    Raises TemporaryError where Stripe can't be asked: the receipt stays to be handled.
    """
    try:
        _handle(receipt, now=now)
        failure = ""
    except (
        checkouts.ForeignCheckoutError,
        plans.ForeignSubscriptionError,
        plans.SecondSubscriptionError,
        pricing.LadderError,
        gateway.RefusedError,
    ) as error:
        # It would fail so again: kept for people to see, not to be repeated without end.
        logger.warning("webhook not applied", extra={"receipt": receipt.pk, "why": str(error)})
        failure = str(error)
    WebhookReceipt.objects.filter(pk=receipt.pk).update(handled_at=now, failure=failure)


def handle_waiting(*, now: datetime) -> int:
    """Handle every receipt whose task was lost; returns how many."""
    waiting = list(WebhookReceipt.objects.filter(handled_at=None).order_by("received_at")[:500])
    for receipt in waiting:
        try:
            handle(receipt, now=now)
        except gateway.TemporaryError:
            logger.warning("webhook waits for Stripe", extra={"receipt": receipt.pk})
        except Exception:
            # One that can't be handled must not keep the others from being handled.
            logger.exception("webhook failed", extra={"receipt": receipt.pk})
    return len(waiting)


def _handle(receipt: WebhookReceipt, *, now: datetime) -> None:
    kind, _, _ = receipt.type.rpartition(".")
    match kind:
        case "checkout.session":
            checkouts.complete(receipt.object_id, now=now)
        case "customer.subscription":
            plans.sync(receipt.object_id)
        case "invoice":
            _invoice(receipt.object_id, now=now)


def _invoice(invoice_id: str, *, now: datetime) -> None:
    # The timers do the same for all; this only makes it prompt for one.
    invoice = gateway.connect().invoice(invoice_id)
    known = Plan.objects.filter(stripe_subscription_id=invoice.subscription_id).first()
    if known is None:
        return
    if known.ended_at is None:
        plans.sync(invoice.subscription_id)
    settlement.settle_invoice(invoice, now=now)
