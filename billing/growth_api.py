"""How the current period's count grew, and what it may end with; for leaders."""

from collections.abc import Sequence

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.views import APIView

from bencher import clock
from bencher.rest import answering
from bencher.rest.documenting import endpoint
from bencher.tenancy import api_access
from bencher.tenancy.models import Organization
from bencher.tenancy.permissions import Permission
from billing import usage, usage_page
from billing.days import DayCount
from billing.models import BillingPeriod
from billing.pricing import Ladder
from billing.projection import Projection
from billing.usage_page import By, Change, Running
from billing.wire import JsonDay, JsonEarlier, JsonGrowth, JsonProjection


class UsageGrowth(APIView):
    """How a count grew."""

    @endpoint(
        summary="How the current period's count grew, and what it may end with",
        answer=JsonGrowth,
    )
    def get(self, request: Request, organization: str) -> HttpResponse:
        """Answer with the count of each day, of the last period too, as the usage page draws them.

        Leaders only. Days that were not counted yet are null; without a period there are none.
        """
        found = api_access.organization(request, organization, Permission.MANAGE)
        running = usage_page.running(found, by=By.PROJECT, now=clock.now())
        return answering.one(_growth(found, running))


def _growth(organization: Organization, running: Running) -> JsonGrowth:
    used, change = running.usage, running.change
    return JsonGrowth(
        organization=organization.uuid,
        start_time=used.starts_at,
        end_time=used.ends_at,
        counted_at=used.count.counted_at,
        active_series=used.count.billed,
        days=_days(running.growth),
        new_series=change.turnover.new if change else None,
        missing_series=change.turnover.unseen if change else None,
        projection=_projection(used.period, used.ladder, running.projection),
        previous=_earlier(change, running.growth_before) if change else None,
    )


def _days(counts: Sequence[DayCount]) -> list[JsonDay]:
    return [JsonDay(day=count.day, active_series=count.series) for count in counts]


def _projection(
    period: BillingPeriod | None, ladder: Ladder, found: Projection | None
) -> JsonProjection | None:
    if period is None or found is None:
        return None
    return JsonProjection(
        least_series=found.least,
        most_series=found.most,
        least_cents=usage.estimate_cents(period, ladder, found.least),
        most_cents=usage.estimate_cents(period, ladder, found.most),
    )


def _earlier(change: Change, growth: Sequence[DayCount]) -> JsonEarlier:
    statement = change.statement
    return JsonEarlier(
        start_time=statement.starts_at,
        end_time=statement.ends_at,
        active_series=statement.series,
        amount_cents=statement.amount_cents,
        days=_days(growth),
    )
