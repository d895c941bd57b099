"""The page on which leaders set budgets, and read what they were told."""

import logging
import smtplib

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.cache import cache
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from bencher import clock
from bencher.tenancy import access
from bencher.tenancy.access import SignedInRequest
from bencher.tenancy.models import Organization, User
from billing import budgets, mailing, notice_log, outlook
from billing import usage as billing_usage
from billing.budget_forms import BudgetForm
from billing.models import Budget
from billing.notice_log import LogFilter

logger = logging.getLogger(__name__)

SHOWN = 25
# A person who presses again and again is not to fill a mailbox.
_TRIAL_MAIL_SECONDS = 60


@never_cache
@login_required
@require_safe
def alerts(request: SignedInRequest, organization: str) -> HttpResponse:
    """Show an organization's budgets and the notices that its leaders were sent."""
    found = access.led_by(request.user, organization)
    known = budgets.of(found)
    return _page(
        request, found, [BudgetForm.showing(known.get(unit), unit) for unit in Budget.Unit]
    )


@never_cache
@login_required
@require_POST
def set_budget(request: SignedInRequest, organization: str, unit: str) -> HttpResponse:
    """Set a budget, or take it back."""
    found = access.led_by(request.user, organization)
    if unit not in Budget.Unit.values:
        raise Http404(f"There is no budget of {unit!r}.")
    form = BudgetForm(Budget.Unit(unit), request.POST)
    if not form.is_valid():
        known = budgets.of(found)
        forms = [
            form if form.unit == other else BudgetForm.showing(known.get(other), other)
            for other in Budget.Unit
        ]
        return _page(request, found, forms, status=422)
    messages.success(request, _store(found, form, by=request.user))
    return redirect("alerts", found.slug)


@login_required
@require_POST
def try_mail(request: SignedInRequest, organization: str) -> HttpResponse:
    """Send the person who asks an e-mail, to see whether alerts would arrive."""
    found = access.led_by(request.user, organization)
    if not cache.add(f"trial-mail-{request.user.pk}", True, _TRIAL_MAIL_SECONDS):
        messages.info(request, "You were sent one within the last minute; look for that first.")
        return redirect("alerts", found.slug)
    try:
        mailing.send_trial(found, to=request.user)
    except (OSError, smtplib.SMTPException) as error:
        logger.warning("trial mail not sent", extra={"why": repr(error)})
        messages.error(
            request,
            "The mail server did not take it, so alerts do not arrive either. They are kept and"
            " sent again for three days. Please tell the people who run this site.",
        )
    else:
        messages.success(
            request,
            f"The mail server took an e-mail to {request.user.email}. If it does not arrive in a"
            " few minutes, look among what was taken for spam.",
        )
    return redirect("alerts", found.slug)


def _store(organization: Organization, form: BudgetForm, *, by: User) -> str:
    limit = form.entered()
    if limit is None:
        budgets.remove(organization, unit=form.unit)
        return "There is no such budget any more."
    budgets.put(
        organization,
        unit=form.unit,
        limit=limit,
        thresholds=form.cleaned_data["thresholds"],
        by=by,
        now=clock.now(),
    )
    return "The budget is set. Leaders are told by e-mail; nothing is cut off."


def _page(
    request: SignedInRequest,
    organization: Organization,
    forms: list[BudgetForm],
    *,
    status: int = 200,
) -> HttpResponse:
    used = billing_usage.current(organization, now=clock.now())
    log = LogFilter(request.GET)
    chosen = log.chosen()
    notices, before = notice_log.page(organization, chosen, limit=SHOWN)
    context = {
        "organization": organization,
        "budgets": [
            (form, outlook.budget(form.budget, used) if form.budget and used.period else None)
            for form in forms
        ],
        "has_period": used.period is not None,
        "has_errors": any(form.errors for form in forms),
        "recipients": [leader.email for leader in mailing.leaders_of(organization)],
        "reader": request.user.email,
        "log": log,
        "is_filtered": bool(chosen),
        "notices": notices,
        "older": urlencode(chosen | {"before": before}) if before else "",
    }
    return render(request, "billing/alert_list.html", context, status=status)
