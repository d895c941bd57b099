"""The usage page: what is active, what it costs and why."""

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from bencher import clock
from bencher.tenancy import access
from bencher.tenancy.access import SignedInRequest
from billing import offers, overview, presenters, prices
from billing import usage as billing_usage


@never_cache
@login_required
@require_safe
def billing(request: SignedInRequest, organization: str) -> HttpResponse:
    """Show what an organization uses, what it costs and why."""
    found = access.led_by(request.user, organization)
    now = clock.now()
    used = billing_usage.current(found, now=now)
    page = presenters.billing_page(
        found,
        usage=used,
        offered=() if used.plan else offers.pro_ladder(),
        statements=overview.closed_periods(found),
        runner_minute_cents=prices.runner_minute_cents() if used.runner_minutes else None,
        now=now,
    )
    return render(request, "billing/usage_detail.html", {"page": page})
