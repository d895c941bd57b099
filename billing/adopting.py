"""Taking up a subscription by the id that somebody brings: a checkout's, or its own."""

from datetime import datetime

from bencher.tenancy.models import Organization
from billing import checkouts, gateway, plans, resubscribing, second_subscriptions
from billing.models import BillingCustomer, Checkout, Plan


class NotCompletedError(Exception):
    """The checkout is not completed, or its plan has ended since."""


def adopt(organization: Organization, identifier: str, *, remote: bool, now: datetime) -> Plan:
    """Return the plan that a checkout made; with `remote` false, that of a subscription's id.

    Raises NotCompletedError, ForeignCheckoutError, ForeignSubscriptionError,
    AlreadySubscribedError, SecondSubscriptionError, UnknownError, TemporaryError, RefusedError.
    """
    plan = (_of_checkout if remote else _of_subscription)(organization, identifier, now=now)
    if plan is None:
        raise NotCompletedError("The checkout is not completed yet; go on with it at its `url`.")
    if plan.ended_at is not None:
        raise NotCompletedError("The subscription has ended; start a new checkout.")
    return plan


def _of_checkout(organization: Organization, session_id: str, *, now: datetime) -> Plan | None:
    ours = Checkout.objects.filter(organization=organization, stripe_session_id=session_id)
    if not ours.exists():
        raise checkouts.ForeignCheckoutError(
            f"Checkout {session_id} was not started for {organization.slug}."
        )
    return checkouts.complete(session_id, now=now)


def _of_subscription(organization: Organization, subscription_id: str, *, now: datetime) -> Plan:
    known = Plan.objects.filter(
        organization=organization, stripe_subscription_id=subscription_id, ended_at=None
    )
    if not known.exists():
        resubscribing.make_way(organization, now=now)
    found = gateway.connect().subscription(subscription_id)
    customer = BillingCustomer.objects.filter(organization=organization).first()
    if found.organization_uuid not in ("", str(organization.uuid)) or (
        customer is not None and customer.stripe_customer_id != found.customer_id
    ):
        raise plans.ForeignSubscriptionError(
            f"Subscription {subscription_id} is not {organization.slug}'s."
        )
    if customer is None:
        _link(organization, found, now=now)
    return second_subscriptions.sync(subscription_id, now=now)


def _link(organization: Organization, found: gateway.Subscription, *, now: datetime) -> None:
    if BillingCustomer.objects.filter(stripe_customer_id=found.customer_id).exists():
        raise plans.ForeignSubscriptionError(
            f"Customer {found.customer_id} is another organization's; meters are per customer."
        )
    BillingCustomer.objects.create(
        organization=organization, stripe_customer_id=found.customer_id, created_at=now
    )
