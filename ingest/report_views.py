"""The page of a report, for everybody of the organization."""

from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from bencher.tenancy import access, slugs
from bencher.tenancy.access import SignedInRequest
from bencher.tenancy.models import Organization
from ingest import report_metrics, report_page
from ingest.models import Report

PER_PAGE = 200
# So far that no report reaches it, and small enough for the database.
LAST_PAGE = 1_000_000


@never_cache
@login_required
@require_safe
def report(request: SignedInRequest, organization: str, project: str, report: str) -> HttpResponse:
    """Show a report. A deleted one is shown too, without its values: it may have made a bill."""
    found, leads = access.joined_by(request.user, organization)
    stored = _find(found, project, report)
    benchmark = slugs.uuid_of(request.GET.get("benchmark", ""))
    number = _number(request.GET.get("page", "1"))
    metrics, total = report_metrics.page(stored, benchmark=benchmark, number=number, size=PER_PAGE)
    if not metrics and (number > 1 or benchmark):
        raise Http404("The report has no such metrics.")
    page = report_page.report_page(
        found,
        stored,
        metrics=metrics,
        total=total,
        benchmark=benchmark,
        number=number,
        size=PER_PAGE,
        leads=leads,
    )
    return render(request, "ingest/report_detail.html", {"page": page, "leads": leads})


def _find(organization: Organization, project: str, report: str) -> Report:
    uuid = slugs.uuid_of(project)
    of_project = Q(project__slug=project) if uuid is None else Q(project__uuid=uuid)
    found = (
        Report.objects.filter(of_project, organization=organization, uuid=report)
        .select_related("project", "user", "testbed", "version", "head__branch")
        .first()
    )
    if found is None:
        raise Http404(f"{organization.name} has no report {report} in {project}.")
    return found


def _number(text: str) -> int:
    is_short = text.isascii() and text.isdigit() and len(text) <= len(str(LAST_PAGE))
    if not (is_short and 1 <= int(text) <= LAST_PAGE):
        raise Http404(f"There is no page {text!r}.")
    return int(text)
