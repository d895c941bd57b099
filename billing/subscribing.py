"""Subscribing an organization without a checkout, as staff and the local run do."""

from datetime import datetime

from bencher.tenancy.models import Organization, User
from billing import customers, gateway, plans, prices, resubscribing, trials
from billing.models import Level, Plan


def subscribe(
    organization: Organization, *, leader: User, now: datetime, level: Level = Level.PRO
) -> Plan:
    """Subscribe an organization at Stripe, with the trial if one is due.

    Raises AlreadySubscribedError, UnknownError, NotConfiguredError, TemporaryError and
    RefusedError.
    """
    resubscribing.make_way(organization, now=now)
    trial_days = trials.days(organization, leader, level=level)
    customer = customers.of(organization, leader=leader, now=now)
    found = gateway.connect().subscribe(
        customer_id=customer.stripe_customer_id,
        organization_uuid=str(organization.uuid),
        price_ids=prices.sold(level),
        trial_days=trial_days,
    )
    return plans.sync(found.id)
