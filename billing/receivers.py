"""What wakes billing: the hint after a report, and Stripe's webhooks. Both only enqueue."""

import logging
from typing import Any

from django.db import transaction
from django.dispatch import receiver
from djstripe.event_handlers import djstripe_receiver
from kombu.exceptions import OperationalError
from redis import RedisError

from bencher import clock
from billing import hints, waking
from billing.models import WebhookReceipt
from series.signals import activity_recorded

logger = logging.getLogger(__name__)

WOKEN_BY = [
    "checkout.session.completed",
    "checkout.session.expired",
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "customer.subscription.paused",
    "customer.subscription.resumed",
    "invoice.created",
    "invoice.finalized",
    "invoice.paid",
    "invoice.payment_failed",
    "invoice.voided",
]


@receiver(activity_recorded, dispatch_uid="billing.on_activity")
def on_activity(*, organization_id: int, **_: Any) -> None:
    """Schedule a post of the organization's count; the sweep heals whatever is lost here."""
    try:
        hints.schedule(organization_id)
    except (RedisError, OperationalError):
        logger.warning("hint lost: no broker", extra={"organization": organization_id})


@djstripe_receiver(WOKEN_BY)  # type: ignore[untyped-decorator]
def on_webhook(event: Any, **_: Any) -> None:
    """Note what Stripe told and enqueue its handling.

    dj-stripe runs this inside its own transaction, so it writes one row and nothing else.
    """
    created = WebhookReceipt.objects.get_or_create(
        event_id=event.id,
        defaults={
            "type": event.type,
            "object_id": event.data["object"]["id"],
            "subject_id": _subject(event.data["object"]),
            "received_at": clock.now(),
        },
    )[1]
    if created:
        transaction.on_commit(waking.wake, robust=True)


def _subject(found: dict[str, Any]) -> str:
    """Return what is to be read again: of an invoice, its subscription; else the object itself."""
    if found["object"] != "invoice":
        return str(found["id"])
    details = (found.get("parent") or {}).get("subscription_details") or {}
    return str(details.get("subscription") or "")
