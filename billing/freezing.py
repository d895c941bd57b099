"""Freezing billing of an organization: counted and closed as ever, and nothing sent to Stripe.

The outbox keeps every value, statements are closed by their recount, and drafts of their invoices
are put off again and again, for their count can't be seen at Stripe. Once billing goes on, what
waits is sent, verified and invoiced as always; but Stripe takes nothing older than 35 days.
"""

import logging
from datetime import datetime

from django.db import transaction

from bencher.tenancy.models import Organization, User
from billing.models import TO_SEND, Freeze, MeterEvent

logger = logging.getLogger(__name__)


class FreezeError(Exception):
    """Billing stands still already, or does not stand still; the message says which."""


def lasting(organization: Organization) -> Freeze | None:
    """Return the freeze of an organization that lasts, if one does."""
    return Freeze.objects.filter(organization=organization, ended_at=None).first()


def waiting(organization: Organization) -> int:
    """Return how many events of an organization are stored and not sent yet."""
    return MeterEvent.objects.filter(TO_SEND, organization=organization).count()


def freeze(organization: Organization, *, by: User, reason: str, now: datetime) -> Freeze:
    """Send nothing more of an organization until it goes on. Raises FreezeError.

    What is under way at that moment may still arrive.
    """
    with transaction.atomic(durable=True):
        _lock(organization)
        check(organization, lasts=False)
        begun = Freeze.objects.create(
            organization=organization, begun_by=by, reason=reason, begun_at=now
        )
    logger.warning("billing frozen", extra={"organization": organization.pk, "by": by.pk})
    return begun


def go_on(organization: Organization, *, by: User, reason: str, now: datetime) -> Freeze:
    """Let what waits be sent, and everything after it. Raises FreezeError."""
    with transaction.atomic(durable=True):
        _lock(organization)
        ended = check(organization, lasts=True)
        assert ended is not None
        ended.ended_by, ended.ended_why, ended.ended_at = by, reason, now
        ended.save(update_fields=["ended_by", "ended_why", "ended_at"])
    logger.warning("billing goes on", extra={"organization": organization.pk, "by": by.pk})
    return ended


def check(organization: Organization, *, lasts: bool) -> Freeze | None:
    """Return the freeze that lasts. Raises FreezeError where `lasts` is not so."""
    found = lasting(organization)
    if found is not None and not lasts:
        raise FreezeError(f"Billing is frozen since {found.begun_at:%Y-%m-%d %H:%M} UTC already.")
    if found is None and lasts:
        raise FreezeError("Billing is not frozen.")
    return found


def _lock(organization: Organization) -> None:
    Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
