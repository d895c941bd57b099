"""The page of a statement, for leaders."""

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from bencher import clock
from bencher.tenancy import access
from bencher.tenancy.access import SignedInRequest
from billing import drift, figures, statement_page, statements
from billing.figures import Figures
from billing.models import METERED_STATUSES, Drift, MeterEvent, Statement, Verification
from series import expiry

# Counting so many series again takes well under a second, which every reader may have. More are
# counted again when they are asked for, and every night.
RECOUNTED_AT_ONCE = 20_000


@never_cache
@login_required
@require_safe
def statement(request: SignedInRequest, organization: str, statement: UUID) -> HttpResponse:
    """Show the statement of a closed period, with what proves it."""
    found = access.led_by(request.user, organization)
    try:
        row = statements.find(found, statement)
    except statements.NoSuchStatementError as error:
        raise Http404(str(error)) from error
    (expired,) = expiry.has_expired(found.pk, row.starts_at)
    events = MeterEvent.objects.filter(period=row.period_id, reason=MeterEvent.Reason.CLOSE)
    page = statement_page.statement_page(
        found,
        row,
        shares=statements.shares(row),
        checked=_checked(row, asked="recount" in request.GET),
        closing=events.order_by("-timestamp").first(),
        verification=Verification.objects.filter(pk=row.period_id).first(),
        evidence_expired=expired,
        is_disputed=Drift.objects.filter(period=row.period_id, resolved_at=None).exists(),
    )
    return render(request, "billing/statement_detail.html", {"page": page})


def _checked(statement: Statement, *, asked: bool) -> Figures | None:
    """Return the figures as they are counted again now, unless there is too much to count."""
    if not asked and statement.total_series > RECOUNTED_AT_ONCE:
        return None
    found = figures.of(
        [statement.period_id], statuses=METERED_STATUSES, lagging=clock.now() - drift.LAG
    )
    return found[0] if found else None
