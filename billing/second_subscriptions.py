"""A second subscription beside a live one: taken back, so that nobody pays twice.

It can come of two tabs or of an old link to a checkout. Whichever subscription we learn of first
is the plan; the other one is canceled, its open invoices are voided, and what was paid is credited.
"""

import logging
from datetime import datetime

from billing import gateway, plans
from billing.models import TERMINAL_STATUSES, Plan, SecondSubscription

logger = logging.getLogger(__name__)

_MEMO = "Taken back: the organization had a subscription already."


class TakenBackError(plans.SecondSubscriptionError):
    """It was a second subscription, and was taken back before."""

    def __init__(self, second: SecondSubscription) -> None:
        Exception.__init__(
            self, f"Subscription {second.stripe_subscription_id} was a second one; it is not used."
        )


def sync(subscription_id: str, *, now: datetime) -> Plan:
    """Store what Stripe says of a subscription, and take it back if it is a second one.

    Raises as `plans.sync` does; SecondSubscriptionError where it was taken back, or where staff
    must look because it did not come from a checkout of ours.
    """
    known = SecondSubscription.objects.filter(stripe_subscription_id=subscription_id).first()
    if known is not None and known.taken_back_at is not None:
        raise TakenBackError(known)
    try:
        return plans.sync(subscription_id)
    except plans.SecondSubscriptionError as error:
        # The one that we take for live may have ended without our hearing of it.
        if error.live and plans.sync(error.live.stripe_subscription_id).ended_at is not None:
            return plans.sync(subscription_id)
        _take_back(_note(error, now=now), now=now)
        raise


def finish(*, now: datetime) -> int:
    """Take back what was begun and not finished, as after a crash; returns how many."""
    waiting = SecondSubscription.objects.filter(taken_back_at=None, for_staff=False)
    done = 0
    for second in waiting.order_by("found_at")[:50]:
        try:
            _take_back(second, now=now)
            done += 1
        except gateway.TemporaryError:
            logger.warning("Stripe does not answer", extra={"second": second.pk})
        except gateway.RefusedError:
            logger.exception("second subscription not taken back", extra={"second": second.pk})
    return done


def _note(error: plans.SecondSubscriptionError, *, now: datetime) -> SecondSubscription:
    second, created = SecondSubscription.objects.get_or_create(
        stripe_subscription_id=error.found.id,
        defaults={
            "organization": error.organization,
            "live_subscription_id": error.live.stripe_subscription_id if error.live else "",
            "found_at": now,
            # What somebody made by hand at Stripe may be meant: people decide.
            "for_staff": not error.found.organization_uuid,
        },
    )
    if created:
        logger.error(
            "a second subscription was found",
            extra={"second": second.pk, "left_to_staff": second.for_staff},
        )
    return second


def _take_back(second: SecondSubscription, *, now: datetime) -> None:
    """Cancel it and undo its invoices. May be repeated after a failure anywhere in it."""
    if second.for_staff or second.taken_back_at is not None:
        return
    _cancel(second.stripe_subscription_id)
    invoices = gateway.connect().invoices_of(second.stripe_subscription_id)
    second.undone = [{"invoice": invoice.id, "what": _undo(invoice)} for invoice in invoices]
    second.taken_back_at = now
    second.save(update_fields=["undone", "taken_back_at"])
    logger.error(
        "a second subscription was taken back",
        extra={"second": second.pk, "undone": second.undone},
    )


def _cancel(subscription_id: str) -> None:
    stripe = gateway.connect()
    if stripe.subscription(subscription_id).status not in TERMINAL_STATUSES:
        # Nothing was ever counted for it, so there is no usage to be invoiced.
        stripe.cancel_subscription(subscription_id, invoice_now=False)


def _undo(invoice: gateway.Invoice) -> str:
    """Let an invoice cost nothing; returns what was done."""
    stripe = gateway.connect()
    if invoice.status == "draft":
        # A draft can't be voided, and one that is never finalized is never charged.
        stripe.hold_draft(invoice.id)
        return "kept a draft"
    if invoice.status == "open":
        stripe.void_invoice(invoice.id)
        return "voided"
    if invoice.status == "paid" and invoice.paid_cents > 0:
        return _give_back(invoice)
    return "nothing to undo"


def _give_back(invoice: gateway.Invoice) -> str:
    stripe = gateway.connect()
    notes = [note for note in stripe.credit_notes_of(invoice.id) if note.status == "issued"]
    owed = invoice.paid_cents - sum(note.amount_cents for note in notes)
    if owed > 0:
        stripe.credit(
            invoice.id,
            amount_cents=owed,
            memo=_MEMO,
            paid=True,
            idempotency_key=f"second-subscription-{invoice.id}",
            notes={"reason": "second subscription"},
        )
    return f"credited {invoice.paid_cents} cents"
