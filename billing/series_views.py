"""The pages and files that say of every series whether it is billed, and why; for leaders."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, HttpResponseBase
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from bencher import clock, partials
from bencher.tenancy import access
from bencher.tenancy.access import SignedInRequest
from bencher.tenancy.models import Organization
from billing import downloads, explained_pages, explaining, series_filters, series_page, wire
from billing.explaining import Explained, Subject, Total, Wanted
from billing.models import BillingPeriod
from billing.series_filters import Filters
from billing.wire import Format
from series import choices, recounting
from series.models import Measure, Testbed

PER_PAGE = 50
# A year of months can be gone to directly; the invoices lead to all others.
PERIODS_SHOWN = 12

BEGUN_AGAIN = "The list has changed since that page, so it begins again here."
GONE = (
    "Reports of this period were removed when their evidence expired, so its series can’t be"
    " counted from them any more. Its statement stays as it is."
)


@never_cache
@login_required
@require_safe
def series(
    request: SignedInRequest, organization: str, period: datetime | None = None
) -> HttpResponse:
    """List the series of the period that starts then, of the current one by default."""
    found = access.led_by(request.user, organization)
    now = clock.now()
    of = _subject(found, period, now=now)
    filters = series_filters.read(request.GET)
    wanted, filters = series_filters.wanted(filters, found)
    rows, following, total, filters = _listed(of, wanted, filters)
    periods = _periods(found, period)
    page = series_page.series_page(
        found,
        of=of,
        period=_period(periods, period),
        periods=periods,
        filters=filters,
        projects=choices.projects(found.pk),
        testbeds=choices.names(Testbed, found.pk),
        measures=choices.names(Measure, found.pk),
        found=rows,
        following=following,
        total=total,
        now=now,
    )
    return partials.render(
        request,
        {"page": page},
        page="billing/series_list.html",
        part="billing/_series_results.html",
    )


@never_cache
@login_required
@require_safe
def series_file(request: SignedInRequest, organization: str) -> HttpResponseBase:
    """Send all series that an address asks for as a file, in pieces, and say how many they are."""
    found = access.led_by(request.user, organization)
    given = request.GET.get("period")
    of = _subject(found, _instant(given) if given else None, now=clock.now())
    wanted, filters = series_filters.wanted(series_filters.read(request.GET), found)
    ending = request.GET.get("format", "")
    if ending not in (Format.CSV, Format.NDJSON, Format.EVIDENCE):
        raise Http404("Give `format` as `csv`, `ndjson` or `evidence`.")
    if filters.errors:
        raise Http404(" ".join(filters.errors))
    try:
        total = explaining.count(of, Wanted() if ending == Format.EVIDENCE else wanted)
    except recounting.EvidenceExpiredError as error:
        raise Http404(GONE) from error
    response = downloads.answer(found, of, wanted, Format(ending))
    response["X-Total-Count"] = str(total.series)
    return response


def _subject(organization: Organization, start: datetime | None, *, now: datetime) -> Subject:
    try:
        return explaining.subject(organization, start=start, now=now)
    except explaining.NoSuchPeriodError as error:
        raise Http404(str(error)) from error
    except recounting.EvidenceExpiredError as error:
        raise Http404(GONE) from error


def _instant(text: str) -> datetime:
    instant = wire.instant(text)
    if instant is None:
        raise Http404(f"{text!r} is no instant at which a period begins.")
    return instant


def _listed(
    of: Subject, wanted: Wanted, filters: Filters
) -> tuple[list[Explained], str | None, Total, Filters]:
    """Return a page of series, where the next goes on, and how many there are in all.

    From a place that is none any more it begins again, and says so.
    """
    try:
        found, following = explaining.page(
            of, wanted, cursor=filters.cursor, limit=PER_PAGE, sort=filters.sort
        )
        return found, following, explaining.count(of, wanted), filters
    except explained_pages.InvalidCursorError:
        begun = replace(filters, cursor="", errors=(*filters.errors, BEGUN_AGAIN))
        return _listed(of, wanted, begun)
    except recounting.EvidenceExpiredError:
        return [], None, Total(0, 0), replace(filters, errors=(*filters.errors, GONE))


def _period(periods: Iterable[BillingPeriod], start: datetime | None) -> BillingPeriod | None:
    return next((period for period in periods if period.starts_at == start), None)


def _periods(organization: Organization, here: datetime | None) -> list[BillingPeriod]:
    """Return the latest periods, newest first, and the one of the address wherever it is."""
    own = BillingPeriod.objects.filter(organization=organization)
    latest = list(own.order_by("-starts_at")[:PERIODS_SHOWN])
    if here is not None and _period(latest, here) is None:
        latest.extend(own.filter(starts_at=here))
    return latest
