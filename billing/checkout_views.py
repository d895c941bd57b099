"""The way to Stripe's checkout and back."""

import logging

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from bencher import clock
from bencher.tenancy import access
from bencher.tenancy.access import SignedInRequest
from bencher.tenancy.models import Organization
from billing import checkouts, gateway, offers, plans, pricing, reachability, resubscribing
from billing.models import Checkout, Plan, Status

logger = logging.getLogger(__name__)

NOT_SOLD = "Pro can’t be bought here yet, because billing is not configured. Nothing was charged."

_WHAT_TO_DO: dict[type[Exception], str] = {
    resubscribing.AlreadySubscribedError: (
        "This organization has a plan already; it is shown below."
    ),
    resubscribing.UnknownError: (
        "Stripe can’t say at the moment whether this organization has a plan. Nothing was charged;"
        " try again in a minute."
    ),
    gateway.NotConfiguredError: NOT_SOLD,
    gateway.TemporaryError: (
        "Stripe does not answer at the moment. Nothing was charged; try again in a minute."
    ),
    gateway.RefusedError: (
        "Stripe refused. Nothing more was charged, and the reason is in our logs: please tell the"
        " people who run this site."
    ),
    checkouts.ForeignCheckoutError: "This checkout belongs to another organization.",
    plans.ForeignSubscriptionError: (
        "Stripe holds a subscription that does not fit this organization. Please tell the people"
        " who run this site; it is not used until they have looked."
    ),
    plans.SecondSubscriptionError: (
        "This organization has a plan already, so the second subscription is not used: it was"
        " canceled, and nothing is charged for it. The plan is shown below."
    ),
    pricing.LadderError: (
        "The price at Stripe can’t be billed by. Please tell the people who run this site."
    ),
}
_ANTICIPATED = tuple(_WHAT_TO_DO)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def start_checkout(request: SignedInRequest, organization: str) -> HttpResponse:
    """Send a leader to Stripe's checkout. Signing in again on the way arrives here by GET."""
    found = access.led_by(request.user, organization)
    if request.method != "POST":
        return redirect("plan", found.slug)
    if not offers.is_open():
        messages.error(request, NOT_SOLD)
        return redirect("plan", found.slug)
    try:
        page = checkouts.start(found, user=request.user, now=clock.now()).url
    except _ANTICIPATED as error:
        _tell(request, error, organization=found)
        return redirect("plan", found.slug)
    return HttpResponseRedirect(page, status=303)


@never_cache
@login_required
@require_safe
def complete_checkout(request: SignedInRequest, organization: str) -> HttpResponse:
    """Come back from Stripe's checkout. Harmless if repeated; a webhook does the same."""
    found = access.led_by(request.user, organization)
    session_id = request.GET.get("checkout", "")
    # PostgreSQL takes no NUL.
    is_text = "\0" not in session_id
    own = Checkout.objects.filter(organization=found, stripe_session_id=session_id)
    if not (is_text and own.exists()):
        raise Http404(f"{found.name} has not started this checkout.")
    try:
        plan = checkouts.complete(session_id, now=clock.now())
    except gateway.TemporaryError as error:
        reachability.note_failure()
        logger.warning("checkout not confirmed", extra=_ids(error, found))
        messages.warning(
            request,
            "Stripe does not answer at the moment, so the plan is not shown yet. It appears here"
            " by itself; nothing has to be done twice.",
        )
    except _ANTICIPATED as error:
        _tell(request, error, organization=found)
    else:
        _welcome(request, plan)
    return redirect("plan", found.slug)


def _welcome(request: HttpRequest, plan: Plan | None) -> None:
    if plan is None:
        messages.warning(
            request, "The checkout is not completed yet. To go on with it, use the button below."
        )
    elif plan.ended_at is not None:
        messages.info(request, "That was an old checkout: its plan has ended since.")
    elif plan.status == Status.TRIALING:
        messages.success(request, "The trial of Pro has begun. Nothing is charged while it lasts.")
    else:
        messages.success(request, "The subscription to Pro is complete. Thank you.")


def _tell(request: HttpRequest, error: Exception, *, organization: Organization) -> None:
    if isinstance(error, gateway.TemporaryError | resubscribing.UnknownError):
        reachability.note_failure()
    kinds = (kind for kind in _WHAT_TO_DO if isinstance(error, kind))
    logger.warning("checkout failed", extra=_ids(error, organization))
    messages.error(request, _WHAT_TO_DO[next(kinds)])


def _ids(error: Exception, organization: Organization) -> dict[str, object]:
    return {"organization": organization.pk, "why": str(error)}
