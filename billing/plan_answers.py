"""A plan as Bencher's clients read it."""

import logging

from bencher.tenancy.models import Membership, Organization, Role
from billing import gateway
from billing.models import BillingPeriod, Checkout, Plan
from billing.wire import JsonCard, JsonCustomer, JsonPlan, JsonTier

logger = logging.getLogger(__name__)


def of(
    organization: Organization, plan: Plan, period: BillingPeriod | None, *, with_card: bool
) -> JsonPlan:
    """Return a plan with its current period; the last one where none is open.

    An older plan has no ladder, so no tiers and a unit amount of 0; its periods are those of its
    metrics.

    With `with_card` Stripe is asked for the card. Where it does not answer, or there is none, the
    card is a placeholder, for Bencher's clients demand one.
    """
    shown = period or plan.periods.order_by("-starts_at").first()
    tiers = [_tier(tier) for tier in shown.tiers] if shown else []
    bounds = shown or plan.metrics_periods.order_by("-starts_at").first()
    return JsonPlan(
        organization=organization.uuid,
        customer=_customer(organization),
        level=plan.level,
        unit_amount=(tiers[0].flat_amount or tiers[0].unit_amount or 0) if tiers else 0,
        tiers=tiers,
        created=plan.started_at,
        current_period_start=bounds.starts_at if bounds else plan.started_at,
        current_period_end=bounds.ends_at if bounds else plan.synced_at,
        status=plan.status,
        cancel_at_period_end=plan.cancel_at_period_end,
        card=_card(plan) if with_card else JsonCard(),
    )


def _tier(tier: dict[str, object]) -> JsonTier:
    found = {name: tier.get(name) for name in ("up_to", "unit_amount", "flat_amount")}
    return JsonTier(**found)  # type: ignore[arg-type]


def _card(plan: Plan) -> JsonCard:
    try:
        card = gateway.connect().payer(plan.stripe_subscription_id).card
    except gateway.GatewayError:
        logger.warning("the card is not known", extra={"plan": plan.pk})
        return JsonCard()
    if card is None:
        return JsonCard()
    return JsonCard(
        brand=card.brand,
        last_four=card.last_four,
        exp_month=card.exp_month,
        exp_year=card.exp_year,
    )


def _customer(organization: Organization) -> JsonCustomer:
    """Return who subscribed; the first leader where staff did it for them."""
    checkout = (
        Checkout.objects.filter(
            organization=organization, state=Checkout.State.COMPLETED, started_by__isnull=False
        )
        .select_related("started_by")
        .order_by("-created_at")
        .first()
    )
    user = checkout.started_by if checkout else None
    if user is None:
        leaders = Membership.objects.filter(organization=organization, role=Role.LEADER)
        user = leaders.select_related("user").order_by("created_at", "pk")[0].user
    return JsonCustomer(uuid=user.uuid, name=user.name, email=user.email)
