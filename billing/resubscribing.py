"""Whether an organization may subscribe: what its plan is at Stripe decides, not what we remember.

No plan: go on. Gone or ended at Stripe: it is ended here too, and go on. Live: refused. Stripe
can't say: nothing is known, so nothing is sold. "Unknown" is never taken for "gone".
"""

from datetime import datetime

from bencher.tenancy.models import Organization
from billing import gateway, plans, pricing
from billing.models import TERMINAL_STATUSES, BillingCustomer, Plan


class AlreadySubscribedError(Exception):
    """The organization has a live plan."""


class UnknownError(Exception):
    """Stripe can't say whether the organization's plan is live; the message says why."""


def make_way(organization: Organization, *, now: datetime) -> None:
    """Return if the organization has no live plan; ends one that has ended at Stripe.

    Raises AlreadySubscribedError, UnknownError and NotConfiguredError.
    """
    plan = Plan.objects.filter(organization=organization, ended_at=None).first()
    if plan is None:
        return
    try:
        ended = _has_ended(plan, now=now)
    except (gateway.GatewayError, pricing.LadderError) as error:
        raise UnknownError(f"Stripe can't say whether the plan is live: {error}") from error
    if not ended:
        raise AlreadySubscribedError("This organization has a plan already.")


def _has_ended(plan: Plan, *, now: datetime) -> bool:
    try:
        found = gateway.connect().subscription(plan.stripe_subscription_id)
    except gateway.RefusedError as error:
        if not error.is_missing or not _knows_customer(plan):
            raise
        plans.end_missing(plan, now=now)
        return True
    if found.status not in TERMINAL_STATUSES:
        # Also where it is a status that we do not know: certainly it is not over.
        return False
    plans.store(found, asked_at=now)
    return True


def _knows_customer(plan: Plan) -> bool:
    # With a key of another account everything is missing, and nothing has ended.
    customer = BillingCustomer.objects.get(organization_id=plan.organization_id)
    return gateway.connect().has_customer(customer.stripe_customer_id)
