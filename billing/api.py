"""The usage of an organization as Bencher's clients read it, and a little more."""

from typing import Any

from django.http import HttpResponse
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from bencher import clock
from bencher.rest import answering
from bencher.rest.documenting import endpoint
from bencher.tenancy import access
from bencher.tenancy.models import Membership, Organization, Role, User
from billing import usage
from billing.models import BillingPeriod, Checkout, Level, Plan
from billing.usage import Usage
from billing.wire import JsonBand, JsonCustomer, JsonPlan, JsonTier, JsonUsage


class IsUser(BasePermission):
    """Admits user keys; a project key speaks for nobody."""

    message = "Use a key of a user who leads the organization; a project key can only report."

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Tell whether a user calls."""
        return isinstance(request.user, User)


class UsageDetail(APIView):
    """What an organization uses now."""

    permission_classes = [IsUser]

    @endpoint(summary="What an organization uses now, and what it costs", answer=JsonUsage)
    def get(self, request: Request, organization: str) -> HttpResponse:
        """Answer with the same figure as the billing page shows. Leaders only."""
        assert isinstance(request.user, User)
        found = access.led_by(request.user, organization)
        return answering.one(_usage(found, usage.current(found, now=clock.now())))


def _usage(organization: Organization, used: Usage) -> JsonUsage:
    by_series = used.plan is None or used.plan.level == Level.PRO
    plan = _plan(organization, used.plan, used.period) if used.plan and used.period else None
    return JsonUsage(
        organization=organization.uuid,
        kind="cloud_metered" if used.plan else "cloud_free",
        plan=plan,
        start_time=used.starts_at,
        end_time=used.ends_at,
        active_series=used.count.billed if by_series else None,
        runner_minutes=0,
        counted_at=used.count.counted_at,
        tier=JsonBand.of(used.band) if used.band else None,
        estimate_cents=used.estimate_cents,
    )


def _tier(tier: dict[str, Any]) -> JsonTier:
    return JsonTier(**{name: tier.get(name) for name in ("up_to", "unit_amount", "flat_amount")})


def _plan(organization: Organization, plan: Plan, period: BillingPeriod) -> JsonPlan:
    tiers = [_tier(tier) for tier in period.tiers]
    return JsonPlan(
        organization=organization.uuid,
        customer=_customer(organization),
        level=plan.level,
        unit_amount=tiers[0].flat_amount or tiers[0].unit_amount or 0,
        tiers=tiers,
        created=plan.started_at,
        current_period_start=period.starts_at,
        current_period_end=period.ends_at,
        status=plan.status,
        cancel_at_period_end=plan.cancel_at_period_end,
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
