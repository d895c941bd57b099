"""The usage of an organization as Bencher's clients read it, and a little more."""

from django.http import HttpResponse
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from bencher import clock
from bencher.rest import answering
from bencher.rest.documenting import endpoint
from bencher.tenancy import access
from bencher.tenancy.models import Organization, User
from billing import plan_answers, usage
from billing.models import Level
from billing.usage import Usage
from billing.wire import JsonBand, JsonUsage


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
    plan = (
        plan_answers.of(organization, used.plan, used.period, with_card=False)
        if used.plan
        else None
    )
    return JsonUsage(
        organization=organization.uuid,
        kind="cloud_metered" if used.plan else "cloud_free",
        plan=plan,
        start_time=used.starts_at,
        end_time=used.ends_at,
        active_series=used.count.billed if by_series else None,
        metrics=used.metrics,
        runner_minutes=used.runner_minutes,
        counted_at=used.count.counted_at,
        tier=JsonBand.of(used.band) if used.band else None,
        estimate_cents=used.estimate_cents,
    )
