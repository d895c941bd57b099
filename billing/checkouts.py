"""Subscribing to Pro through Stripe's hosted checkout."""

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError
from django.db.models import Q
from django.urls import reverse

from bencher.tenancy.models import Organization, User
from billing import customers, gateway, plans, prices
from billing.models import Checkout, Plan

logger = logging.getLogger(__name__)

# Stripe lets a session be completed for a day; one that is refused here is not asked for ever.
_ASKED_FOR = timedelta(days=2)


class AlreadySubscribedError(Exception):
    """The organization has a live plan."""


class ForeignCheckoutError(Exception):
    """The checkout is not this organization's."""


def has_trial(organization: Organization, user: User) -> bool:
    """Tell whether a trial is due: once per organization, and once per user who starts one."""
    if settings.PRO_TRIAL_DAYS == 0 or Plan.objects.filter(organization=organization).exists():
        return False
    # An open checkout may still be completed, so another organization's counts too.
    had = Q(state=Checkout.State.COMPLETED)
    may_get = Q(state=Checkout.State.OPEN) & ~Q(organization=organization)
    return not Checkout.objects.filter(had | may_get, started_by=user, with_trial=True).exists()


def start(organization: Organization, *, user: User, now: datetime) -> str:
    """Open a checkout for Pro and return the address of Stripe's page.

    An open one is returned again, so that an organization never has two. Raises
    AlreadySubscribedError, NotConfiguredError, TemporaryError and RefusedError.
    """
    _refuse_second_plan(organization)
    again = _still_open(organization, now=now)
    if again is not None:
        return again
    # Looking at the one that was open may have completed it.
    _refuse_second_plan(organization)
    price = prices.pro_price()
    customer = customers.of(organization, leader=user, now=now)
    with_trial = has_trial(organization, user)
    session = gateway.connect().start_checkout(
        customer_id=customer.stripe_customer_id,
        organization_uuid=str(organization.uuid),
        price_ids=[price.id],
        trial_days=settings.PRO_TRIAL_DAYS if with_trial else None,
        success_url=_url("checkout-return", organization) + "?checkout={CHECKOUT_SESSION_ID}",
        cancel_url=_url("billing", organization),
    )
    try:
        Checkout.objects.create(
            organization=organization,
            stripe_session_id=session.id,
            started_by=user,
            with_trial=with_trial,
            created_at=now,
        )
    except IntegrityError:
        # Two clicks at once: the second one's session must not be left to be completed.
        gateway.connect().expire_checkout(session.id)
        return start(organization, user=user, now=now)
    return session.url


def complete(session_id: str, *, now: datetime) -> Plan | None:
    """Store the subscription that a checkout made; None while it is not completed.

    Called by the return address and by the webhook, whichever comes first; both are harmless.
    Raises ForeignCheckoutError for a session that we did not start.
    """
    checkout = (
        Checkout.objects.select_related("organization").filter(stripe_session_id=session_id).first()
    )
    if checkout is None:
        raise ForeignCheckoutError(f"Checkout {session_id} was not started here.")
    session = gateway.connect().checkout(session_id)
    if session.organization_uuid != str(checkout.organization.uuid):
        raise ForeignCheckoutError(f"Checkout {session_id} is of another organization.")
    if session.status != "complete":
        if session.status == "expired":
            _close(checkout, Checkout.State.EXPIRED, now=now)
        return None
    try:
        plan = plans.sync(session.subscription_id)
    except (plans.SecondSubscriptionError, plans.ForeignSubscriptionError):
        # Kept for people to see; it must not block the organization's next checkout.
        _close(checkout, Checkout.State.REFUSED, now=now)
        raise
    _close(checkout, Checkout.State.COMPLETED, now=now)
    return plan


def _refuse_second_plan(organization: Organization) -> None:
    if Plan.objects.filter(organization=organization, ended_at=None).exists():
        raise AlreadySubscribedError("This organization has a plan already.")


def waiting(*, now: datetime) -> list[str]:
    """Return the sessions whose end nobody has told us: no return, and perhaps a lost webhook."""
    found = Checkout.objects.filter(state=Checkout.State.OPEN, created_at__gt=now - _ASKED_FOR)
    return list(found.order_by("created_at").values_list("stripe_session_id", flat=True))


def _still_open(organization: Organization, *, now: datetime) -> str | None:
    checkout = Checkout.objects.filter(organization=organization, state=Checkout.State.OPEN).first()
    if checkout is None:
        return None
    session = gateway.connect().checkout(checkout.stripe_session_id)
    if session.status == "open":
        return session.url
    complete(checkout.stripe_session_id, now=now)
    return None


def _close(checkout: Checkout, state: Checkout.State, *, now: datetime) -> None:
    Checkout.objects.filter(pk=checkout.pk, state=Checkout.State.OPEN).update(
        state=state, closed_at=now
    )


def _url(name: str, organization: Organization) -> str:
    return settings.BASE_URL + reverse(name, args=[organization.slug])
