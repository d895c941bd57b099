"""Who gets a trial: once per organization, once per user, and nobody who ever subscribed."""

from django.conf import settings
from django.db.models import Q

from bencher.tenancy.models import Organization, User
from billing import gateway
from billing.models import BillingCustomer, Checkout, EarlierSubscription, Level, Plan

# What shows that an organization subscribed before.
_HAD = (Plan, EarlierSubscription)


def is_due(organization: Organization, user: User, *, level: Level = Level.PRO) -> bool:
    """Tell whether a trial is due by what we know, as a page shows it."""
    if level != Level.PRO or settings.PRO_TRIAL_DAYS == 0:
        return False
    if any(had.objects.filter(organization=organization).exists() for had in _HAD):
        return False
    # An open checkout may still be completed, so another organization's counts too.
    had = Q(state=Checkout.State.COMPLETED)
    may_get = Q(state=Checkout.State.OPEN, with_trial=True) & ~Q(organization=organization)
    return not Checkout.objects.filter(had | may_get, started_by=user).exists()


def days(organization: Organization, user: User, *, level: Level = Level.PRO) -> int | None:
    """Return the days of trial that a subscription begins with; None without one.

    Stripe is asked too: it knows of subscriptions that were made there. Raises TemporaryError and
    RefusedError, for a trial is not guessed.
    """
    if not is_due(organization, user, level=level):
        return None
    customer = BillingCustomer.objects.filter(organization=organization).first()
    if customer and gateway.connect().subscriptions_of(customer.stripe_customer_id):
        return None
    return int(settings.PRO_TRIAL_DAYS)
