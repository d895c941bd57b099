"""Handling what Stripe told: re-read the object and store what it says now.

Receipts are handled in batches, by what they are about: a thousand webhooks about one subscription
are one look at it, and a batch is short, so that no flood of them delays a close.
"""

import logging
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Max, Min, QuerySet

from billing import checkouts, gateway, plans, pricing, second_subscriptions, settlement
from billing.models import Plan, WebhookReceipt

logger = logging.getLogger(__name__)

# How many subscriptions and checkouts are looked at in one batch.
BATCH = 100
# A single object may be locked at Stripe; when this many in a row fail, Stripe is down.
_FAILURES_OF_AN_OUTAGE = 3


@dataclass(frozen=True, slots=True)
class Handled:
    """How a batch went. `more` tells that there are receipts which it did not reach."""

    subjects: int
    invoices: bool
    more: bool


@dataclass(frozen=True, slots=True)
class _Subject:
    """What some receipts are about, and the latest of them."""

    id: str
    latest_id: int
    latest_at: datetime


def handle_waiting(*, now: datetime) -> Handled:
    """Handle a batch of the receipts that wait, the oldest first.

    Where Stripe can't be asked, receipts stay to be handled. One that can't be handled at all
    keeps none of the others from it.
    """
    subjects = _subjects()
    done = failures = 0
    invoices = False
    for subject in subjects[:BATCH]:
        receipts = WebhookReceipt.objects.filter(
            handled_at=None, subject_id=subject.id, pk__lte=subject.latest_id
        )
        try:
            invoices |= receipts.filter(type__startswith="invoice.").exists()
            receipts.update(failure=_handle(subject, receipts, now=now), handled_at=now)
            done, failures = done + 1, 0
        except gateway.TemporaryError:
            logger.warning("webhooks wait for Stripe", extra={"subject": subject.id})
            failures += 1
            if failures == _FAILURES_OF_AN_OUTAGE:
                break
        except Exception:
            logger.exception("webhooks failed", extra={"subject": subject.id})
            # Tried again, but behind all that have not failed.
            receipts.update(failure="failed here; it is tried again")
    return Handled(subjects=done, invoices=invoices, more=done > 0 and len(subjects) > BATCH)


def replay(receipt: WebhookReceipt, *, now: datetime) -> str:
    """Handle one receipt again, as of now; returns why it can't be applied, or nothing.

    What it is about is read from Stripe whatever was read since. Raises TemporaryError.
    """
    receipts = WebhookReceipt.objects.filter(pk=receipt.pk)
    failure = _handle(_Subject(receipt.subject_id, receipt.pk, now), receipts, now=now)
    receipts.update(failure=failure, handled_at=now)
    logger.warning("webhook handled again", extra={"receipt": receipt.pk})
    return failure


def _subjects() -> list[_Subject]:
    rows = (
        WebhookReceipt.objects.filter(handled_at=None)
        .values("subject_id")
        .annotate(
            first_at=Min("received_at"),
            latest_at=Max("received_at"),
            latest_id=Max("id"),
            failed=Max("failure"),
        )
        .order_by("failed", "first_at")[: BATCH + 1]
    )
    return [_Subject(row["subject_id"], row["latest_id"], row["latest_at"]) for row in rows]


def _handle(subject: _Subject, receipts: QuerySet[WebhookReceipt], *, now: datetime) -> str:
    """Look at a subject again; returns why it can't be applied, or nothing."""
    try:
        if receipts.filter(type__startswith="checkout.session.").exists():
            checkouts.complete(subject.id, now=now)
        elif subject.id:
            _follow(subject, receipts, now=now)
    except (
        checkouts.ForeignCheckoutError,
        plans.ForeignSubscriptionError,
        plans.SecondSubscriptionError,
        pricing.LadderError,
        gateway.RefusedError,
    ) as error:
        # It would fail so again: kept for people to see, not to be repeated without end.
        logger.warning("webhook not applied", extra={"subject": subject.id, "why": str(error)})
        return str(error)
    return ""


def _follow(subject: _Subject, receipts: QuerySet[WebhookReceipt], *, now: datetime) -> None:
    plan = Plan.objects.filter(stripe_subscription_id=subject.id).first()
    if plan is None:
        # Invoices of subscriptions that are none of ours tell nothing.
        if receipts.filter(type__startswith="customer.subscription.").exists():
            second_subscriptions.sync(subject.id, now=now)
        return
    # What was read since the last receipt holds what it told.
    if plan.ended_at is None and plan.synced_at <= subject.latest_at:
        second_subscriptions.sync(subject.id, now=now)
    if receipts.filter(type__startswith="invoice.").exists():
        # The timer does the same for all; this only makes it prompt for one.
        settlement.settle_subscription(subject.id, now=now)
