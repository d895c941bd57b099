"""What leaders do with a plan on the billing page: cancel, resume, and go to Stripe's portal."""

import logging

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from bencher import clock, dates
from bencher.tenancy import access
from bencher.tenancy.access import SignedInRequest
from bencher.tenancy.models import Organization
from billing import canceling, gateway, plans
from billing.models import BillingCustomer, Plan
from billing.usage import open_period

logger = logging.getLogger(__name__)

_POST = require_http_methods(["GET", "HEAD", "POST"])

_WHAT_TO_DO: dict[type[Exception], str] = {
    canceling.AlreadyEndedError: "The plan has ended already; nothing was changed.",
    gateway.NotConfiguredError: "Billing is not configured here; nothing was changed.",
    gateway.TemporaryError: (
        "Stripe does not answer at the moment. Look again in a minute whether the plan has changed,"
        " and repeat it if not."
    ),
    gateway.RefusedError: (
        "Stripe refused, and nothing was changed. The reason is in our logs: please tell the people"
        " who run this site."
    ),
    plans.ForeignSubscriptionError: (
        "Stripe holds a subscription that does not fit this organization. Please tell the people"
        " who run this site."
    ),
}
_ANTICIPATED = tuple(_WHAT_TO_DO)


@login_required
@_POST
def cancel(request: SignedInRequest, organization: str) -> HttpResponse:
    """Let the plan end with its period. Signing in again on the way arrives here by GET."""
    return _set_cancel(request, organization, cancel=True)


@login_required
@_POST
def resume(request: SignedInRequest, organization: str) -> HttpResponse:
    """Let the plan go on after all."""
    return _set_cancel(request, organization, cancel=False)


@login_required
@_POST
def portal(request: SignedInRequest, organization: str) -> HttpResponse:
    """Send a leader to Stripe's portal: payment method and invoices."""
    found = access.led_by(request.user, organization)
    customer = BillingCustomer.objects.filter(organization=found).first()
    if request.method != "POST" or customer is None:
        return redirect("billing", found.slug)
    try:
        url = gateway.connect().portal_url(
            customer_id=customer.stripe_customer_id,
            configuration_id=settings.STRIPE_PORTAL_CONFIGURATION,
            return_url=settings.BASE_URL + reverse("billing", args=[found.slug]),
        )
    except _ANTICIPATED as error:
        _tell(request, error, organization=found)
        return redirect("billing", found.slug)
    return HttpResponseRedirect(url, status=303)


def _set_cancel(request: SignedInRequest, organization: str, *, cancel: bool) -> HttpResponse:
    found = access.led_by(request.user, organization)
    plan = Plan.objects.filter(organization=found, ended_at=None).first()
    if request.method != "POST" or plan is None:
        return redirect("billing", found.slug)
    try:
        plan = canceling.at_period_end(plan, cancel=cancel, now=clock.now())
    except _ANTICIPATED as error:
        _tell(request, error, organization=found)
    else:
        messages.success(request, _done(plan))
    return redirect("billing", found.slug)


def _done(plan: Plan) -> str:
    if not plan.cancel_at_period_end:
        return "The plan goes on. Nothing else has changed."
    period = open_period(plan, now=clock.now())
    end = f"on {dates.moment(period.ends_at).text}" if period else "with its period"
    return f"The plan is canceled: it ends {end}. Until then everything works as before."


def _tell(request: HttpRequest, error: Exception, *, organization: Organization) -> None:
    kinds = (kind for kind in _WHAT_TO_DO if isinstance(error, kind))
    logger.warning("plan not changed", extra={"organization": organization.pk, "why": str(error)})
    messages.error(request, _WHAT_TO_DO[next(kinds)])
