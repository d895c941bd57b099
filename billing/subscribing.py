"""Subscribing an organization without a checkout, as staff and the local run do."""

from datetime import datetime

from django.conf import settings

from bencher.tenancy.models import Organization, User
from billing import checkouts, customers, gateway, plans, prices
from billing.models import Plan


def subscribe(organization: Organization, *, leader: User, now: datetime) -> Plan:
    """Subscribe an organization to Pro at Stripe, with the trial if one is due.

    Raises NotConfiguredError, TemporaryError and RefusedError.
    """
    customer = customers.of(organization, leader=leader, now=now)
    found = gateway.connect().subscribe(
        customer_id=customer.stripe_customer_id,
        organization_uuid=str(organization.uuid),
        price_ids=[prices.pro_price().id],
        trial_days=settings.PRO_TRIAL_DAYS if checkouts.has_trial(organization, leader) else None,
    )
    return plans.sync(found.id)
