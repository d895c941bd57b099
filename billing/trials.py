"""Who gets a trial: once per organization, once per user, and nobody who ever subscribed.

Staff may let one last longer.
"""

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q

from bencher import dates
from bencher.tenancy.models import Organization, User
from billing import gateway, plans
from billing.models import (
    BillingCustomer,
    Cancellation,
    Checkout,
    EarlierSubscription,
    Level,
    Plan,
    Status,
)

logger = logging.getLogger(__name__)

# What shows that an organization subscribed before.
_HAD = (Plan, EarlierSubscription)


# What Stripe takes, from the day on which it is asked.
LONGEST = timedelta(days=730)


class TrialError(Exception):
    """The trial can't be extended; the message says why."""


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


def extended(plan: Plan, *, days: int, now: datetime) -> datetime:
    """Return when a trial would end that lasts so many days longer. Raises TrialError."""
    if plan.status != Status.TRIALING or plan.trial_ends_at is None:
        raise TrialError(f"The plan is not in a trial; it is {plan.get_status_display().lower()}.")
    if plan.trial_ends_at <= now:
        raise TrialError("The trial has ended; Stripe was not heard of since.")
    if Cancellation.objects.filter(plan=plan, finished_at=None).exists():
        raise TrialError("The plan is being canceled.")
    until = plan.trial_ends_at + timedelta(days=days)
    if until > now + LONGEST:
        raise TrialError(
            "Stripe lets a trial end two years from now at the latest, not on"
            f" {dates.day(until).text}."
        )
    return until


def extend(plan: Plan, *, days: int, now: datetime) -> datetime:
    """Let a trial last longer, at Stripe and here; returns when it ends then.

    Its period ends then too, and private projects are covered until a day after. Raises
    TrialError, TemporaryError and RefusedError.
    """
    until = extended(plan, days=days, now=now)
    found = gateway.connect().extend_trial(plan.stripe_subscription_id, until=until)
    plans.store(found, asked_at=now)
    logger.warning("trial extended", extra={"plan": plan.pk, "until": until})
    return until
