"""The list of series, ready to show: each with its reports, and whether it is billed and why."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from django.urls import reverse

from bencher import dates
from bencher.dates import Written
from bencher.tenancy.models import Organization
from billing import exporting
from billing.explained_pages import Sort, Source
from billing.explaining import Explained, Reason, Subject, Total
from billing.models import BillingPeriod
from billing.series_filters import Filters, Show
from billing.wire import Format
from billing.wording import Said, Tone
from series.choices import Choices, Projects

_BECAUSE = {
    Reason.SEEN: Said("Billed", Tone.GOOD),
    Reason.COVERED_BY_TRIAL: Said("Counted", Tone.GOOD, "The trial covers it: nothing is charged."),
    Reason.PUBLIC: Said("Not billed", Tone.NEUTRAL, "Its project is public."),
    Reason.PROJECT_DELETED: Said("Not billed", Tone.NEUTRAL, "Its project is deleted."),
    Reason.SEEN_OUTSIDE: Said("Not billed", Tone.NEUTRAL, "No report in this period."),
}

_SHOW = {
    Show.ALL: "All series",
    Show.BILLED: "Billed",
    Show.NOT_BILLED: "Not billed",
    Show.NEW: "New in this period",
    Show.MISSING: "About to drop out",
}
_SORT = {
    Sort.NAME: "Names",
    Sort.LAST: "Last report, newest first",
    Sort.LAST_OLDEST: "Last report, oldest first",
    Sort.FIRST: "First report, newest first",
    Sort.FIRST_OLDEST: "First report, oldest first",
}
_MEANINGS = {
    Show.NEW: "These are billed for this period and did not report in the one before.",
    Show.MISSING: (
        "These reported in the period before and have not in this one. They are billed for this"
        " period only if they report before it ends."
    ),
}


@dataclass(frozen=True, slots=True)
class Option:
    """A choice of a form."""

    value: str
    label: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """A list to choose from, or where it would be too long a name to be typed."""

    name: str
    label: str
    value: str
    options: tuple[Option, ...]
    # What to type; empty where one chooses.
    hint: str


@dataclass(frozen=True, slots=True)
class ReportLink:
    """A report of a series: when it counts, and its page."""

    at: Written
    href: str


@dataclass(frozen=True, slots=True)
class SeriesRow:
    """One series. Outside of the period it has a last sighting and no reports."""

    project: str
    testbed: str
    benchmark: str
    measure: str
    first: ReportLink | None
    last: ReportLink | None
    seen: Written
    billed: Said


@dataclass(frozen=True, slots=True)
class File:
    """A download: what is in it, and how large it will be."""

    label: str
    href: str
    size: str


@dataclass(frozen=True, slots=True)
class PeriodLink:
    """A period whose series can be listed."""

    label: str
    href: str
    is_here: bool


@dataclass(frozen=True, slots=True)
class SeriesPage:
    """Everything that the list of series shows."""

    organization: str
    slug: str
    action: str
    periods: tuple[PeriodLink, ...]
    period: str
    source: str
    statement: str
    errors: tuple[str, ...]
    search: str
    choices: tuple[Choice, ...]
    is_narrowed: bool
    meaning: str
    total: str
    rows: tuple[SeriesRow, ...]
    following: str
    first_page: str
    files: tuple[File, ...]
    evidence: File | None


def series_page(
    organization: Organization,
    *,
    of: Subject,
    period: BillingPeriod | None,
    periods: Sequence[BillingPeriod],
    filters: Filters,
    projects: Projects,
    testbeds: Choices,
    measures: Choices,
    found: list[Explained],
    following: str | None,
    total: Total,
    now: datetime,
) -> SeriesPage:
    """Return what the page shows of a period; without one of its address, of the current one."""
    action = _address(organization, period)
    return SeriesPage(
        organization=organization.name,
        slug=organization.slug,
        action=action,
        periods=tuple(_periods(organization, period, periods, now=now)),
        period=_span(of),
        source=_source(of, now=now),
        statement=(
            reverse("statement", args=[organization.slug, of.statement.uuid])
            if of.statement
            else ""
        ),
        errors=filters.errors,
        search=filters.search,
        choices=(
            _projects(filters, projects),
            _names("testbed", "Testbed", filters.testbed, testbeds),
            _names("measure", "Measure", filters.measure, measures),
            _listed("show", "Show", filters.show, _shown(of)),
            _listed("sort", "Order", filters.sort, _SORT),
        ),
        is_narrowed=filters.is_narrowed,
        meaning=_MEANINGS.get(filters.show, ""),
        total=_total(total, of, is_narrowed=filters.is_narrowed),
        rows=tuple(_row(organization, series) for series in found),
        following=f"{action}?{filters.query(cursor=following)}" if following else "",
        first_page=f"{action}?{filters.query()}" if filters.cursor else "",
        files=_files(organization, of, filters, found, total),
        evidence=_evidence(organization, of),
    )


def _address(organization: Organization, period: BillingPeriod | None) -> str:
    if period is None:
        return reverse("billing-series", args=[organization.slug])
    return reverse("billing-series-period", args=[organization.slug, period.starts_at])


def _periods(
    organization: Organization,
    here: BillingPeriod | None,
    periods: Iterable[BillingPeriod],
    *,
    now: datetime,
) -> Iterable[PeriodLink]:
    yield PeriodLink("Now", _address(organization, None), is_here=here is None)
    for period in periods:
        if here == period or period.ends_at <= now:
            label = dates.span(period.starts_at, period.ends_at)
            yield PeriodLink(label, _address(organization, period), is_here=here == period)


def _span(of: Subject) -> str:
    if of.is_trailing:
        return f"The 30 days since {dates.moment(of.starts_at).text}; there is no billing period."
    return (
        f"From {dates.moment(of.starts_at).text} until {dates.moment(of.ends_at).text}, exclusive."
    )


def _source(of: Subject, *, now: datetime) -> str:
    match of.source:
        case Source.LEDGER:
            return f"Counted at {dates.time_of_day(now).text}; it follows what is reported."
        case Source.REPORTS:
            return (
                "The period has ended and is not closed yet: this list is counted from the reports"
                " themselves. Its statement follows within minutes."
            )
        case Source.STATEMENT:
            return "The period is closed. This list is frozen, with all names as they were then."


def _shown(of: Subject) -> dict[Show, str]:
    offered = dict(_SHOW)
    if of.source is not Source.LEDGER:
        # What is over can't drop out any more.
        del offered[Show.MISSING]
    return offered


def _total(total: Total, of: Subject, *, is_narrowed: bool) -> str:
    billed = f"{total.billed:,} {'counted' if _in_trial(of) else 'billed'}"
    found = "found" if is_narrowed else "in all"
    return f"{total.series:,} series {found}, {billed}"


def _in_trial(of: Subject) -> bool:
    return of.kind == BillingPeriod.Kind.TRIAL


def _row(organization: Organization, series: Explained) -> SeriesRow:
    def link(report: object, at: datetime | None) -> ReportLink | None:
        if report is None or at is None:
            return None
        page = reverse("report", args=[organization.slug, series.project_uuid, report])
        return ReportLink(dates.second(at), f"{page}?benchmark={series.benchmark_uuid}")

    return SeriesRow(
        project=series.project,
        testbed=series.testbed,
        benchmark=series.benchmark,
        measure=series.measure,
        first=link(series.first_report, series.first_seen),
        last=link(series.last_report, series.last_seen),
        seen=dates.second(series.last_seen),
        billed=_BECAUSE[series.reason],
    )


def _projects(filters: Filters, given: Projects) -> Choice:
    options = [
        Option(
            value=str(project.uuid) if project.deleted_at else project.slug,
            label=f"{project.name} (deleted)" if project.deleted_at else project.name,
            is_chosen=filters.project in (project.slug, str(project.uuid)),
        )
        for project in given.projects
    ]
    hint = "All; or a project’s slug" if given.has_more else ""
    return _choice("project", "Project", filters.project, options, hint=hint)


def _names(name: str, label: str, value: str, given: Choices) -> Choice:
    options = [Option(value=each, label=each, is_chosen=each == value) for each in given.names]
    hint = "All; or a whole name" if given.has_more else ""
    return _choice(name, label, value, options, hint=hint)


def _choice(name: str, label: str, value: str, options: list[Option], *, hint: str) -> Choice:
    every = Option("", "All", is_chosen=not value)
    if value and not any(option.is_chosen for option in options):
        # Asked for by its UUID, or not among the first.
        options.append(Option(value, value, is_chosen=True))
    return Choice(name, label, value, (every, *options), hint)


def _listed(name: str, label: str, value: str, labels: dict[Show, str] | dict[Sort, str]) -> Choice:
    options = tuple(Option(key, text, is_chosen=key == value) for key, text in labels.items())
    return Choice(name, label, value, options, hint="")


def _files(
    organization: Organization,
    of: Subject,
    filters: Filters,
    found: list[Explained],
    total: Total,
) -> tuple[File, ...]:
    if not found:
        return ()
    return tuple(
        File(
            label=f"{label}, {total.series:,} rows",
            href=_file(organization, of, filters.query(format=ending)),
            size=_about(sum(map(len, pieces)) * total.series // len(found)),
        )
        for ending, label, pieces in (
            (Format.CSV, "CSV", exporting.as_csv([found])),
            (Format.NDJSON, "NDJSON", exporting.as_ndjson([found])),
        )
    )


def _evidence(organization: Organization, of: Subject) -> File | None:
    if of.statement is None:
        return None
    return File(
        label=f"Evidence, {of.statement.total_series:,} lines",
        href=_file(organization, of, urlencode({"format": Format.EVIDENCE})),
        size=f"SHA-256 {of.statement.evidence_sha256}",
    )


def _file(organization: Organization, of: Subject, query: str) -> str:
    address = reverse("billing-series-file", args=[organization.slug])
    if of.kind is not None:
        query = f"{query}&{urlencode({'period': dates.rfc3339(of.starts_at)})}"
    return f"{address}?{query}"


def _about(size: int) -> str:
    """Write an expected size in bytes: about 3.4 MB."""
    if size < 1000:
        return "under 1 kB"
    kilo = size / 1000
    return f"about {kilo:,.0f} kB" if kilo < 1000 else f"about {kilo / 1000:,.1f} MB"
