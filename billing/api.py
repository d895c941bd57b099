"""The usage of an organization as Bencher's clients read it, and a little more."""

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from bencher import clock
from bencher.dates import rfc3339
from bencher.tenancy import access
from bencher.tenancy.models import Membership, Organization, Role, User
from billing import pricing, usage
from billing.models import BillingPeriod, Checkout, Level, Plan
from billing.usage import Usage

Json = dict[str, Any]

# Bencher's client demands a card with every plan; Stripe keeps it, so this one stands in for it.
_CARD_AT_STRIPE: Json = {
    "brand": "unknown",
    "last_four": "0000",
    "exp_month": 12,
    "exp_year": 2099,
}


class IsUser(BasePermission):
    """Admits user keys; a project key speaks for nobody."""

    message = "Use a key of a user who leads the organization; a project key can only report."

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Tell whether a user calls."""
        return isinstance(request.user, User)


class UsageDetail(APIView):
    """What an organization uses now."""

    permission_classes = [IsUser]

    def get(self, request: Request, organization: str) -> Response:
        """Answer with the same figure as the billing page shows. Leaders only."""
        assert isinstance(request.user, User)
        found = access.led_by(request.user, organization)
        return Response(_usage(found, usage.current(found, now=clock.now())))


def _usage(organization: Organization, used: Usage) -> Json:
    by_series = used.plan is None or used.plan.level == Level.PRO
    return {
        "organization": str(organization.uuid),
        "kind": "cloud_metered" if used.plan else "cloud_free",
        "plan": used.plan and used.period and _plan(organization, used.plan, used.period),
        "license": None,
        "start_time": rfc3339(used.starts_at),
        "end_time": rfc3339(used.ends_at),
        "metrics": None,
        "active_series": used.count.billed if by_series else None,
        "runner_minutes": 0,
        "counted_at": rfc3339(used.count.counted_at),
        "tier": used.band and _tier(used.band),
        "estimate_cents": used.estimate_cents,
    }


def _tier(band: pricing.Band) -> Json:
    # Decimal strings of cents, as Stripe writes amounts that may have fractions.
    return {
        "first": band.first,
        "up_to": band.tier.up_to,
        "flat_amount_decimal": str(band.tier.flat_cents),
        "unit_amount_decimal": str(band.tier.unit_cents),
    }


def _plan(organization: Organization, plan: Plan, period: BillingPeriod) -> Json:
    tiers = [
        {name: tier.get(name) for name in ("up_to", "unit_amount", "flat_amount")}
        for tier in period.tiers
    ]
    return {
        "organization": str(organization.uuid),
        "customer": _customer(organization),
        "card": _CARD_AT_STRIPE,
        "level": plan.level,
        "unit_amount": tiers[0]["flat_amount"] or tiers[0]["unit_amount"] or 0,
        "tiers": tiers,
        "created": rfc3339(plan.started_at),
        "current_period_start": rfc3339(period.starts_at),
        "current_period_end": rfc3339(period.ends_at),
        "status": plan.status,
        "cancel_at_period_end": plan.cancel_at_period_end,
        "license": None,
    }


def _customer(organization: Organization) -> Json:
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
    return {"uuid": str(user.uuid), "name": user.name, "email": user.email}
