"""One Stripe customer per organization: meters are per customer, so two would overwrite."""

from datetime import datetime

from bencher.tenancy.models import Organization, User
from billing import gateway
from billing.models import BillingCustomer


def of(organization: Organization, *, leader: User, now: datetime) -> BillingCustomer:
    """Return an organization's customer, created at Stripe where needed.

    Raises TemporaryError, RefusedError. A crash in between finds the same customer again.
    """
    known = BillingCustomer.objects.filter(organization=organization).first()
    if known is not None:
        return known
    stripe_customer_id = gateway.connect().customer(
        name=organization.name, email=leader.email, organization_uuid=str(organization.uuid)
    )
    customer, _ = BillingCustomer.objects.get_or_create(
        organization=organization,
        defaults={"stripe_customer_id": stripe_customer_id, "created_at": now},
    )
    return customer
