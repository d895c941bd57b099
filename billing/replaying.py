"""Handling a webhook again, by hand: what it is about is read from Stripe as it is now.

What was told then does not count, so that a replay can't bring an old state back.
"""

from datetime import datetime

from billing import gateway, webhooks
from billing.models import Plan, WebhookReceipt

# What may become a plan of ours.
_FOLLOWED = ("customer.subscription.", "checkout.session.")


def foresee(receipt: WebhookReceipt, *, now: datetime) -> str:
    """Return what handling a webhook again would change here, changing nothing.

    Raises GatewayError and NotConfiguredError.
    """
    plan = Plan.objects.filter(stripe_subscription_id=receipt.subject_id).first()
    if plan is None and not receipt.type.startswith(_FOLLOWED):
        return "nothing changes: it is about none of our plans."
    if plan is None:
        return f"{receipt.subject_id or receipt.object_id} is read from Stripe and followed."
    if plan.ended_at is not None:
        return "the plan has ended: nothing changes but its invoices, which are compared again."
    status = gateway.connect().subscription(plan.stripe_subscription_id).status
    if status == plan.status:
        return f"the plan stays {plan.status}, and is known as of now."
    return f"the plan becomes {status}; it was {plan.status}."


def replay(receipt: WebhookReceipt, *, now: datetime) -> str:
    """Handle a webhook again and return what that changed, or why it can't be applied.

    Raises GatewayError and NotConfiguredError.
    """
    said = foresee(receipt, now=now)
    failure = webhooks.replay(receipt, now=now)
    return f"not applied: {failure}" if failure else said
