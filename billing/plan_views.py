"""The plan's page, and what leaders do there: cancel, resume, and go to Stripe's portal."""

import logging

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from bencher import clock, dates
from bencher.tenancy import access
from bencher.tenancy.access import SignedInRequest
from bencher.tenancy.models import Organization, User
from billing import (
    canceling,
    gateway,
    offers,
    plan_page,
    plan_wording,
    plans,
    prices,
    pricing,
    reachability,
    trials,
)
from billing import invoices as billing_invoices
from billing import usage as billing_usage
from billing.models import BillingCustomer, Plan

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
    pricing.LadderError: (
        "The price at Stripe can’t be billed by. Please tell the people who run this site."
    ),
}
_ANTICIPATED = tuple(_WHAT_TO_DO)


@never_cache
@login_required
@require_safe
def plan(request: SignedInRequest, organization: str) -> HttpResponse:
    """Show an organization's plan, what happens next, and what can be done; or what is offered."""
    found = access.led_by(request.user, organization)
    now = clock.now()
    used = billing_usage.current(found, now=now)
    offered = () if used.plan else offers.pro_ladder()
    page = plan_page.plan_page(
        found,
        usage=used,
        offered=offered,
        offer=None if used.plan else _offer(found, request.user),
        owed=billing_invoices.owed(found),
        is_reachable=not reachability.is_failing(),
        has_customer=BillingCustomer.objects.filter(organization=found).exists(),
        now=now,
    )
    return render(request, "billing/plan_detail.html", {"page": page})


@login_required
@_POST
def ask_again(request: SignedInRequest, organization: str) -> HttpResponse:
    """Ask Stripe again after it did not answer, so that nobody has to wait for a minute."""
    found = access.led_by(request.user, organization)
    if request.method == "POST":
        try:
            _ask(found)
        except _ANTICIPATED as error:
            logger.warning("Stripe does not answer", extra={"why": str(error)})
            messages.warning(request, "Stripe still does not answer. Try again in a minute.")
        else:
            reachability.note_answer()
            offers.forget()
            messages.success(request, "Stripe answers again.")
    return redirect("plan", found.slug)


def _ask(organization: Organization) -> None:
    """Ask Stripe what the page would. Raises what is anticipated."""
    live = Plan.objects.filter(organization=organization, ended_at=None).first()
    if live is None:
        prices.pro_price()
    else:
        plans.sync(live.stripe_subscription_id)


@never_cache
@login_required
@_POST
def cancel(request: SignedInRequest, organization: str) -> HttpResponse:
    """Say what canceling means, and let the plan end with its period once that is confirmed."""
    if request.method == "POST":
        return _set_cancel(request, organization, cancel=True)
    found = access.led_by(request.user, organization)
    used = billing_usage.current(found, now=clock.now())
    if not plan_page.can_cancel(used.plan):
        messages.info(request, "There is nothing to cancel; what there is, is shown below.")
        return redirect("plan", found.slug)
    context = {"organization": found, "consequences": plan_wording.consequences(used)}
    return render(request, "billing/plan_cancel.html", context)


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
        return redirect("plan", found.slug)
    try:
        url = gateway.connect().portal_url(
            customer_id=customer.stripe_customer_id,
            configuration_id=settings.STRIPE_PORTAL_CONFIGURATION,
            return_url=settings.BASE_URL + reverse("plan", args=[found.slug]),
        )
    except _ANTICIPATED as error:
        _tell(request, error, organization=found)
        return redirect("plan", found.slug)
    return HttpResponseRedirect(url, status=303)


def _offer(organization: Organization, user: User) -> plan_page.Offer:
    with_trial = trials.is_due(organization, user)
    ended = Plan.objects.filter(organization=organization).exclude(ended_at=None)
    return plan_page.offer(
        is_open=offers.is_open(),
        trial_days=settings.PRO_TRIAL_DAYS if with_trial else None,
        last=ended.order_by("-ended_at").first(),
    )


def _set_cancel(request: SignedInRequest, organization: str, *, cancel: bool) -> HttpResponse:
    found = access.led_by(request.user, organization)
    plan = Plan.objects.filter(organization=found, ended_at=None).first()
    if request.method != "POST" or plan is None:
        return redirect("plan", found.slug)
    try:
        plan = canceling.at_period_end(plan, cancel=cancel, now=clock.now())
    except _ANTICIPATED as error:
        _tell(request, error, organization=found)
    else:
        messages.success(request, _done(plan))
    return redirect("plan", found.slug)


def _done(plan: Plan) -> str:
    if not plan.cancel_at_period_end:
        return "The plan goes on. Nothing else has changed."
    period = billing_usage.open_period(plan, now=clock.now())
    end = f"on {dates.moment(period.ends_at).text}" if period else "with its period"
    return f"The plan is canceled: it ends {end}. Until then everything works as before."


def _tell(request: HttpRequest, error: Exception, *, organization: Organization) -> None:
    if isinstance(error, gateway.TemporaryError):
        reachability.note_failure()
    kinds = (kind for kind in _WHAT_TO_DO if isinstance(error, kind))
    logger.warning("plan not changed", extra={"organization": organization.pk, "why": str(error)})
    messages.error(request, _WHAT_TO_DO[next(kinds)])
