"""The usage page: what is active, what it costs and why."""

from enum import StrEnum
from typing import TypeVar

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from bencher import clock, partials
from bencher.tenancy import access
from bencher.tenancy.access import SignedInRequest
from bencher.tenancy.models import Organization
from billing import offers, presenters, prices, trials, usage_page
from billing.presenters import Frame
from billing.usage_page import By, Period

Choice = TypeVar("Choice", bound=StrEnum)


@never_cache
@login_required
@require_safe
def billing(request: SignedInRequest, organization: str) -> HttpResponse:
    """Show what an organization uses, what it costs and why: now, or in one of two periods before.

    A request by htmx is answered with what changes while people look, the figures.
    """
    found = access.led_by(request.user, organization)
    which = _chosen(Period, request.GET.get("period"), Period.CURRENT)
    by = _chosen(By, request.GET.get("by"), By.PROJECT)
    around = presenters.frame(found, which=which, by=by, base_url=settings.BASE_URL)
    if which is Period.CURRENT:
        return _current(request, found, around=around, by=by)
    ended = usage_page.ended(found, which, by=by, now=clock.now())
    page = presenters.ended_page(around, ended, by=by) if ended else None
    return render(request, "billing/usage_ended.html", {"page": page, "frame": around})


def _current(
    request: SignedInRequest, organization: Organization, *, around: Frame, by: By
) -> HttpResponse:
    now = clock.now()
    running = usage_page.running(organization, by=by, now=now)
    used = running.usage
    may_try = not used.plan and trials.is_due(organization, request.user)
    page = presenters.billing_page(
        around,
        running,
        by=by,
        offered=() if used.plan else offers.pro_ladder(),
        is_sold=offers.is_open(),
        trial_days=settings.PRO_TRIAL_DAYS if may_try else None,
        runner_minute_cents=prices.runner_minute_cents() if used.runner_minutes else None,
        now=now,
    )
    return partials.render(
        request,
        {"page": page, "frame": around},
        page="billing/usage_detail.html",
        part="billing/_figures.html",
    )


def _chosen(choices: type[Choice], asked: str | None, default: Choice) -> Choice:
    """Return what the address asks for; whatever is not there is the default."""
    return next((choice for choice in choices if choice == asked), default)
