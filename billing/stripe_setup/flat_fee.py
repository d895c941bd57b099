"""Whether a price's first flat fee is charged when nothing was used: asked, and written down.

Stripe does not document it. The base fee of a plan depends on it, so a real account in test mode
is asked for the invoice of an unused period, and its answer is kept.
"""

from datetime import datetime

from django.conf import settings

from billing import gateway, pricing
from billing.models import FlatFeeProof
from billing.stripe_setup import catalog


def may_ask() -> bool:
    """Tell whether the answer would prove something and cost nothing: Stripe, in test mode."""
    return not settings.STRIPE_IS_SANDBOX and not settings.STRIPE_LIVE_MODE


def ask(price: gateway.Price, *, now: datetime) -> FlatFeeProof:
    """Preview the invoice of an unused period at a price, and store what it would charge.

    Leaves a customer in the test mode's account. Raises TemporaryError and RefusedError.
    """
    stripe = gateway.connect()
    customer_id = stripe.customer(
        name="Bencher set-up", email="setup@example.com", organization_uuid="bencher-setup"
    )
    preview = stripe.preview_unused(customer_id=customer_id, price_ids=[price.id])
    return FlatFeeProof.objects.create(
        stripe_price_id=price.id,
        tiers=[dict(tier) for tier in price.tiers],
        expected_cents=pricing.amount_cents(catalog.ladder(price.tiers), 0),
        charged_cents=preview.total_cents,
        asked_at=now,
    )


def latest() -> FlatFeeProof | None:
    """Return the last answer; None while nobody asked."""
    return FlatFeeProof.objects.order_by("-asked_at", "-pk").first()
