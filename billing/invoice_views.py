"""The page of an organization's invoices and statements, and the same as a file."""

from datetime import UTC, datetime

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils.http import content_disposition_header, urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from bencher import clock, dates, spreadsheets
from bencher.tenancy import access
from bencher.tenancy.access import SignedInRequest
from billing import exporting, invoice_page
from billing import invoices as billing_invoices
from billing import usage as billing_usage
from billing.invoices import Place
from billing.models import BillingCustomer

# Two years of months.
SHOWN = 24
# More than an organization has in a lifetime, for the file.
_ALL = 100_000


@never_cache
@login_required
@require_safe
def invoices(request: SignedInRequest, organization: str) -> HttpResponse:
    """Show what was and will be invoiced, a page at a time."""
    found = access.led_by(request.user, organization)
    after = _place(request.GET.get("after", ""))
    rows, following = billing_invoices.page(found, after=after, limit=SHOWN)
    now = clock.now()
    context = {
        "organization": found,
        "rows": invoice_page.rows(rows),
        "older": urlencode({"after": _written(following)}) if following else "",
        "is_first": after is None,
        "upcoming": None if after else invoice_page.upcoming(billing_usage.current(found, now=now)),
        "owed": invoice_page.owed(billing_invoices.owed(found)),
        "has_customer": BillingCustomer.objects.filter(organization=found).exists(),
    }
    return render(request, "billing/invoice_list.html", context)


@never_cache
@login_required
@require_safe
def download(request: SignedInRequest, organization: str) -> HttpResponse:
    """Send all of them as CSV."""
    found = access.led_by(request.user, organization)
    rows, _ = billing_invoices.page(found, after=None, limit=_ALL)
    name = f"{found.slug}-invoices.csv"
    return HttpResponse(
        exporting.table_as_csv(invoice_page.COLUMNS, map(invoice_page.cells, rows)),
        content_type=spreadsheets.CSV_TYPE,
        headers={"Content-Disposition": content_disposition_header(True, name) or "attachment"},
    )


def _written(place: Place) -> str:
    at, key = place
    return f"{dates.rfc3339(at)},{key}"


def _place(text: str) -> Place | None:
    """Return the place of the list that an address names. Raises Http404 for no such place."""
    if not text:
        return None
    at, _, key = text.partition(",")
    try:
        instant = datetime.fromisoformat(at).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Http404("There is no such page of invoices.") from None
    if "\0" in key:  # PostgreSQL takes none.
        raise Http404("There is no such page of invoices.")
    return instant, key
