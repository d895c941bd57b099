"""Every series behind a figure, and what fewer or more of them would cost; for leaders."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

import msgspec
from django.http import HttpResponse, HttpResponseBase
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from bencher import clock
from bencher.errors import ApiError
from bencher.rest import answering, reading
from bencher.rest.documenting import endpoint
from bencher.tenancy import api_access
from bencher.tenancy.models import Organization
from bencher.tenancy.permissions import Permission
from billing import downloads, explained_pages, explaining, simulating, wire
from billing.explaining import Subject, Wanted
from billing.simulating import Cost
from billing.wire import (
    CURRENT,
    PREVIOUS,
    Format,
    JsonBand,
    JsonCost,
    JsonSeriesPage,
    JsonSimulation,
    SeriesQuery,
    SimulationQuery,
)
from series import dropping, recounting

_BY_TYPE = {"text/csv": Format.CSV, "application/x-ndjson": Format.NDJSON}


class AnyFormat(BaseContentNegotiation):
    """Leaves `Accept` and `?format=` to the view, so that refusals are always JSON."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser:
        """Return the first parser."""
        return next(iter(parsers))

    def select_renderer(
        self,
        request: Request,
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,
    ) -> tuple[BaseRenderer, str]:
        """Return the first renderer."""
        first = next(iter(renderers))
        return first, str(first.media_type)


class UsageSeries(APIView):
    """The series of a period."""

    content_negotiation_class = AnyFormat

    @endpoint(
        summary="Every series of a period, billed or not, and why",
        answer=JsonSeriesPage,
        query=SeriesQuery,
        refusals=(400, 401, 403, 404, 410),
    )
    def get(self, request: Request, organization: str) -> HttpResponseBase:
        """Answer with a page of series, or with all of them as a file. Leaders only.

        `Accept: text/csv`, `Accept: application/x-ndjson` or `?format=` streams all that match;
        `?format=evidence` is the canonical evidence, whose SHA-256 a closed period's statement has.
        """
        found = api_access.organization(request, organization, Permission.MANAGE)
        asked = reading.query(request, SeriesQuery)
        try:
            of = _subject(found, asked.period, now=clock.now())
        except explaining.NoSuchPeriodError as error:
            raise ApiError(404, str(error)) from error
        except recounting.EvidenceExpiredError as error:
            raise ApiError(410, str(error)) from error
        ending = asked.format or _BY_TYPE.get(_accepted(request), Format.JSON)
        if ending is Format.JSON:
            return _page(found, of, asked)
        return downloads.answer(found, of, _wanted(asked), ending)


class UsageSimulation(APIView):
    """What the current period would cost."""

    @endpoint(
        summary="What the current period would cost with less, or with more",
        answer=JsonSimulation,
        query=SimulationQuery,
    )
    def get(self, request: Request, organization: str) -> HttpResponse:
        """Answer with count, band and amount as they are and as they would be. Leaders only.

        Each `drop_…` may be given several times and names a UUID of the organization.
        """
        found = api_access.organization(request, organization, Permission.MANAGE)
        asked = _simulation(request)
        changes = simulating.Changes(
            projects=asked.drop_project,
            testbeds=asked.drop_testbed,
            benchmarks=asked.drop_benchmark,
            measures=asked.drop_measure,
            add=asked.add,
        )
        try:
            simulated = simulating.simulate(found, changes, now=clock.now())
        except dropping.NoSuchEntityError as error:
            raise ApiError(404, f"`drop_{error.kind}`: {error}") from error
        return answering.one(
            JsonSimulation(
                organization=found.uuid,
                start_time=simulated.starts_at,
                end_time=simulated.ends_at,
                counted_at=simulated.counted_at,
                now=_cost(simulated.now),
                then=_cost(simulated.then),
            )
        )


def _subject(organization: Organization, period: str, *, now: datetime) -> Subject:
    if period == CURRENT:
        start = None
    elif period == PREVIOUS:
        start = explaining.previous_start(organization, now=now)
    else:
        start = wire.instant(period)
        if start is None:
            raise ApiError(
                400,
                f"`period` is {period!r}; give `current`, `previous` or a start such as"
                " 2026-11-01T00:00:00Z.",
            )
    return explaining.subject(organization, start=start, now=now)


def _accepted(request: Request) -> str:
    first, _, _ = str(request.headers.get("Accept", "")).partition(",")
    return first.partition(";")[0].strip().lower()


def _wanted(asked: SeriesQuery) -> Wanted:
    return Wanted(
        projects=_one(asked.project),
        testbeds=_one(asked.testbed),
        benchmarks=_one(asked.benchmark),
        measures=_one(asked.measure),
        billed=asked.billed,
        reason=asked.reason,
        search=asked.search,
    )


def _one(uuid: UUID | None) -> list[UUID] | None:
    return None if uuid is None else [uuid]


def _page(organization: Organization, of: Subject, asked: SeriesQuery) -> HttpResponse:
    try:
        series, following = explaining.page(
            of, _wanted(asked), cursor=asked.cursor, limit=asked.per_page
        )
    except explained_pages.InvalidCursorError as error:
        raise ApiError(400, str(error)) from error
    return answering.one(
        JsonSeriesPage(
            organization=organization.uuid,
            start_time=of.starts_at,
            end_time=of.ends_at,
            kind=of.kind,
            source=of.source,
            evidence_sha256=of.statement.evidence_sha256 if of.statement else None,
            series=series,
            next=following,
        )
    )


def _simulation(request: Request) -> SimulationQuery:
    # Unlike elsewhere a parameter may be given several times.
    given = {
        name: request.query_params.getlist(name) if name != "add" else request.query_params[name]
        for name in request.query_params
    }
    try:
        return msgspec.convert(given, SimulationQuery, strict=False)
    except msgspec.ValidationError as error:
        message = str(error).replace("`$.", "`")
        raise ApiError(400, f"The query string can't be read: {message}.") from error


def _cost(cost: Cost) -> JsonCost:
    return JsonCost(
        active_series=cost.series,
        tier=JsonBand.of(cost.band) if cost.band else None,
        amount_cents=cost.amount_cents,
        without_trial_cents=cost.without_trial_cents,
    )
