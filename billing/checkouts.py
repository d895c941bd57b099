"""Subscribing through Stripe's hosted checkout: one open session per organization, bound to it."""

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.urls import reverse

from bencher.tenancy.models import Organization, User
from billing import (
    customers,
    gateway,
    plans,
    prices,
    pricing,
    products,
    resubscribing,
    second_subscriptions,
    trials,
)
from billing.models import BillingCustomer, Checkout, Level, Plan

logger = logging.getLogger(__name__)

# An open checkout is looked at the less often the older it is.
_SOONEST, _LATEST = timedelta(minutes=1), timedelta(hours=1)
_AT_ONCE = 100


class ForeignCheckoutError(Exception):
    """The checkout is not this organization's."""


class LevelNotSoldError(Exception):
    """The level has no product here; the message says which setting is missing."""


def start(
    organization: Organization, *, user: User, now: datetime, level: Level = Level.PRO
) -> gateway.CheckoutSession:
    """Open a checkout and return it; its `url` is Stripe's page.

    The same user's open one is returned again; another's is expired, for a trial depends on who
    subscribes. Raises LevelNotSoldError, AlreadySubscribedError, UnknownError,
    NotConfiguredError, TemporaryError and RefusedError.
    """
    if not products.of(level):
        raise LevelNotSoldError(
            f"{level.label} is not sold here: {products.setting(level)} is not set."
        )
    resubscribing.make_way(organization, now=now)
    again = _still_open(organization, user=user, level=level, now=now)
    if again is not None:
        return again
    # Looking at the one that was open may have completed it.
    resubscribing.make_way(organization, now=now)
    price_ids = prices.sold(level)
    trial_days = trials.days(organization, user, level=level)
    customer = customers.of(organization, leader=user, now=now)
    session = gateway.connect().start_checkout(
        customer_id=customer.stripe_customer_id,
        organization_uuid=str(organization.uuid),
        price_ids=price_ids,
        trial_days=trial_days,
        success_url=_url("checkout-return", organization) + "?checkout={CHECKOUT_SESSION_ID}",
        cancel_url=_url("plan", organization),
        terms=True,
    )
    try:
        with transaction.atomic():
            Checkout.objects.create(
                organization=organization,
                stripe_session_id=session.id,
                level=level,
                started_by=user,
                with_trial=bool(trial_days),
                created_at=now,
                look_after=now + _SOONEST,
            )
    except IntegrityError:
        # Two clicks at once, or two trials: the later session must not be left to be completed.
        gateway.connect().expire_checkout(session.id)
        return start(organization, user=user, now=now, level=level)
    return session


def complete(session_id: str, *, now: datetime) -> Plan | None:
    """Store the subscription that a checkout made; None while it is not completed.

    Called by the return address, the webhook and the timer, whichever comes first; all are
    harmless. Raises ForeignCheckoutError for a session that we did not start.
    """
    checkout = (
        Checkout.objects.select_related("organization").filter(stripe_session_id=session_id).first()
    )
    if checkout is None:
        raise ForeignCheckoutError(f"Checkout {session_id} was not started here.")
    session = gateway.connect().checkout(session_id)
    _check_is_bound(session, checkout.organization)
    if session.status != "complete":
        _wait(checkout, session, now=now)
        return None
    try:
        plan = second_subscriptions.sync(session.subscription_id, now=now)
    except (plans.SecondSubscriptionError, plans.ForeignSubscriptionError):
        # Kept for people to see; it must not block the organization's next checkout.
        _close(checkout, Checkout.State.REFUSED, now=now)
        raise
    _close(checkout, Checkout.State.COMPLETED, now=now)
    return plan


def follow(*, now: datetime) -> int:
    """Look at the sessions whose end nobody has told us; returns how many were looked at.

    Their users never came back, and a webhook may have been lost.
    """
    looked_at = 0
    for session_id in due(now=now):
        try:
            complete(session_id, now=now)
            looked_at += 1
        except gateway.TemporaryError:
            logger.warning("Stripe does not answer", extra={"checkout": session_id})
            break
        except (
            gateway.RefusedError,
            pricing.LadderError,
            ForeignCheckoutError,
            plans.ForeignSubscriptionError,
            plans.SecondSubscriptionError,
        ):
            logger.exception("checkout not completed", extra={"checkout": session_id})
            Checkout.objects.filter(stripe_session_id=session_id).update(look_after=now + _LATEST)
    return looked_at


def due(*, now: datetime) -> list[str]:
    """Return the open sessions to look at, the longest unseen first."""
    is_due = Q(look_after=None) | Q(look_after__lte=now)
    found = Checkout.objects.filter(is_due, state=Checkout.State.OPEN)
    return list(found.order_by("look_after").values_list("stripe_session_id", flat=True)[:_AT_ONCE])


def expire_open(organization: Organization, *, now: datetime) -> None:
    """Let nobody complete the organization's open checkout any more.

    One that was completed in the meantime is stored as a plan. Raises TemporaryError and
    RefusedError.
    """
    checkout = Checkout.objects.filter(organization=organization, state=Checkout.State.OPEN).first()
    if checkout is None:
        return
    try:
        if gateway.connect().checkout(checkout.stripe_session_id).status == "open":
            gateway.connect().expire_checkout(checkout.stripe_session_id)
    except gateway.RefusedError:
        # Completed between the two calls, or something else that is for people.
        complete(checkout.stripe_session_id, now=now)
        if Checkout.objects.filter(pk=checkout.pk, state=Checkout.State.OPEN).exists():
            raise
    else:
        complete(checkout.stripe_session_id, now=now)


def _check_is_bound(session: gateway.CheckoutSession, organization: Organization) -> None:
    customer = BillingCustomer.objects.filter(organization=organization).first()
    if session.organization_uuid != str(organization.uuid) or (
        customer is None or session.customer_id != customer.stripe_customer_id
    ):
        raise ForeignCheckoutError(f"Checkout {session.id} is of another organization.")


def _still_open(
    organization: Organization, *, user: User, level: Level, now: datetime
) -> gateway.CheckoutSession | None:
    checkout = Checkout.objects.filter(organization=organization, state=Checkout.State.OPEN).first()
    if checkout is None:
        return None
    if (checkout.started_by_id, checkout.level) == (user.pk, level):
        session = gateway.connect().checkout(checkout.stripe_session_id)
        if session.status == "open":
            return session
    expire_open(organization, now=now)
    return None


def _wait(checkout: Checkout, session: gateway.CheckoutSession, *, now: datetime) -> None:
    if session.status == "expired":
        _close(checkout, Checkout.State.EXPIRED, now=now)
        return
    pause = min(max((now - checkout.created_at) / 10, _SOONEST), _LATEST)
    Checkout.objects.filter(pk=checkout.pk).update(look_after=now + pause)


def _close(checkout: Checkout, state: Checkout.State, *, now: datetime) -> None:
    Checkout.objects.filter(pk=checkout.pk, state=Checkout.State.OPEN).update(
        state=state, closed_at=now
    )


def _url(name: str, organization: Organization) -> str:
    return settings.BASE_URL + reverse(name, args=[organization.slug])
