"""The page on which leaders set budgets and read what they were told."""

from dataclasses import dataclass

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from bencher import clock, dates
from bencher.dates import Written
from bencher.tenancy import access
from bencher.tenancy.access import SignedInRequest
from bencher.tenancy.models import Organization, User
from billing import budget_forms, budgets, notice_texts
from billing.budget_forms import BudgetForm
from billing.models import Budget, Notice
from billing.wording import Said, Tone

# Two years and more of an ordinary organization, in one query.
_SHOWN = 100


@dataclass(frozen=True, slots=True)
class NoticeRow:
    """A notice as the log shows it."""

    at: Written
    subject: str
    delivery: Said
    recipients: str


@never_cache
@login_required
@require_safe
def alerts(request: SignedInRequest, organization: str) -> HttpResponse:
    """Show an organization's budgets and the notices that its leaders were sent."""
    found = access.led_by(request.user, organization)
    return _page(request, found, [budget_forms.shown(found, unit) for unit in Budget.Unit])


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
        forms = [
            form if form.unit == other else budget_forms.shown(found, other)
            for other in Budget.Unit
        ]
        return _page(request, found, forms, status=422)
    messages.success(request, _store(found, form, by=request.user))
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
    context = {
        "organization": organization,
        "forms": forms,
        "has_errors": any(form.errors for form in forms),
        "notices": _log(organization),
    }
    return render(request, "billing/alert_list.html", context, status=status)


def _log(organization: Organization) -> list[NoticeRow]:
    notices = list(
        Notice.objects.filter(organization=organization)
        .select_related("organization", "period")
        .order_by("-noticed_at", "-pk")[:_SHOWN]
    )
    told = {uuid for notice in notices for uuid in notice.recipients}
    emails = dict(User.objects.filter(uuid__in=told).values_list("uuid", "email"))
    return [
        NoticeRow(
            at=dates.moment(notice.sent_at or notice.noticed_at),
            subject=notice_texts.of(notice).subject,
            delivery=_delivery(notice),
            recipients=", ".join(emails[uuid] for uuid in notice.recipients if uuid in emails),
        )
        for notice in notices
    ]


def _delivery(notice: Notice) -> Said:
    if notice.sent_at is not None:
        return Said("Sent", Tone.GOOD)
    if notice.given_up_at is not None:
        return Said("Not sent", Tone.ATTENTION, "The mail server refused it for three days.")
    if notice.failure:
        return Said("Tried again soon", Tone.ATTENTION)
    return Said("On its way", Tone.NEUTRAL)
