"""Explaining a figure: every series of a period, billed or not, with the reason and the reports.

A period that runs is explained from the ledger, one that has ended and is not closed yet from the
reports, a closed one from its statement's frozen lines.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.db import connection

from bencher.tenancy.models import Organization
from billing import evidence, explained_pages, usage
from billing.explained_pages import Place, Sort, Source
from billing.models import BillingPeriod, Statement
from series import explaining, recounting

CHUNK = 2000


class Reason(StrEnum):
    """Why a series is billed, or is not. A series that a trial covers counts and costs nothing."""

    SEEN = "seen"
    COVERED_BY_TRIAL = "covered_by_trial"
    PUBLIC = "public"
    PROJECT_DELETED = "project_deleted"
    SEEN_OUTSIDE = "seen_outside"


class Only(StrEnum):
    """Series that a comparison with the period before singles out."""

    # Billed in this period and not seen in the one before.
    NEW = "new"
    # Seen in the one before and not in this one yet, of projects that are billed.
    MISSING = "missing"


class NoSuchPeriodError(LookupError):
    """The organization has no such period."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A period of an organization, and what it is explained from."""

    organization_id: int
    starts_at: datetime
    ends_at: datetime
    kind: str | None
    basis: str
    source: Source
    statement: Statement | None
    # There is no period: the last thirty days stand in for it, and what may come.
    is_trailing: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which series to explain: of any of these UUIDs. All that is None does not matter."""

    projects: Sequence[UUID] | None = None
    testbeds: Sequence[UUID] | None = None
    benchmarks: Sequence[UUID] | None = None
    measures: Sequence[UUID] | None = None
    billed: bool | None = None
    reason: Reason | None = None
    only: Only | None = None
    search: str = ""


@dataclass(frozen=True, slots=True)
class Earlier:
    """What a period is compared with: [starts_at, ends_at), and its statement if it has one."""

    starts_at: datetime
    ends_at: datetime
    statement_id: int | None


@dataclass(frozen=True, slots=True)
class Total:
    """How many series match, and how many of them are billed."""

    series: int
    billed: int


@dataclass(frozen=True, slots=True)
class Explained:
    """One series. Outside of the period it has a last sighting and no reports."""

    project_uuid: UUID
    project: str
    visibility: str
    testbed_uuid: UUID
    testbed: str
    benchmark_uuid: UUID
    benchmark: str
    measure_uuid: UUID
    measure: str
    billed: bool
    reason: Reason
    first_report: UUID | None
    first_seen: datetime | None
    last_report: UUID | None
    last_seen: datetime


_COLUMNS = (
    "project_uuid, project_name, project_visibility, testbed_uuid, testbed_name, benchmark_uuid,"
    " benchmark_name, measure_uuid, measure_name, billed, reason, first_report_uuid,"
    " first_seen_at, last_report_uuid, last_seen_at"
)

# What is frozen knows no more of what was seen outside.
_LINES = """
SELECT line.*, CASE WHEN billed THEN 'seen' WHEN project_deleted THEN 'project_deleted'
                    ELSE 'public' END AS reason
FROM billing_statementline line WHERE statement_id = %(statement)s
"""

_NEW = """
billed AND NOT EXISTS (
    SELECT FROM ({earlier}) earlier
    WHERE earlier.testbed_uuid = explained.testbed_uuid
      AND earlier.benchmark_uuid = explained.benchmark_uuid
      AND earlier.measure_uuid = explained.measure_uuid
)
"""
_MISSING = """
reason = 'seen_outside' AND last_seen_at >= %(earlier_start)s AND last_seen_at < %(start)s
AND NOT project_deleted AND (%(basis)s = 'all' OR project_visibility = 'private')
"""
_EARLIER_LINES = """
SELECT testbed_uuid, benchmark_uuid, measure_uuid
FROM billing_statementline WHERE statement_id = %(earlier_statement)s
"""
_NAMES = "project_name || E'\\n' || testbed_name || E'\\n' || benchmark_name"


def subject(organization: Organization, *, start: datetime | None, now: datetime) -> Subject:
    """Return the period that starts then, the current one for None. Raises NoSuchPeriodError.

    Raises recounting.EvidenceExpiredError where it would be explained from reports that were
    purged; a closed one has its statement, whatever was purged.
    """
    if start is None:
        current = usage.bounds(organization, now=now)
        return Subject(
            organization_id=organization.pk,
            starts_at=current.starts_at,
            ends_at=current.ends_at,
            kind=current.period.kind if current.period else None,
            basis=current.basis,
            source=Source.LEDGER,
            statement=None,
            is_trailing=current.is_trailing,
        )
    period = (
        BillingPeriod.objects.filter(organization=organization, starts_at=start)
        .select_related("statement")
        .first()
    )
    if period is None:
        raise NoSuchPeriodError(
            f"No billing period starts at {start:%FT%TZ}. Give the start of a period as"
            " `/statements` has it, `previous` or `current`."
        )
    statement: Statement | None = getattr(period, "statement", None)
    ended = Source.STATEMENT if statement else Source.REPORTS
    source = Source.LEDGER if now < period.ends_at else ended
    if source is Source.REPORTS:
        recounting.check_evidence(organization.pk, start=period.starts_at)
    return Subject(
        organization_id=organization.pk,
        starts_at=period.starts_at,
        ends_at=period.ends_at,
        kind=period.kind,
        basis=period.basis,
        source=source,
        statement=statement,
    )


def previous_start(organization: Organization, *, now: datetime) -> datetime:
    """Return when the latest period that has ended began. Raises NoSuchPeriodError."""
    ended = BillingPeriod.objects.filter(organization=organization, ends_at__lte=now)
    start = ended.order_by("-starts_at").values_list("starts_at", flat=True).first()
    if start is None:
        raise NoSuchPeriodError(
            "No billing period has ended yet; leave `period` out to see the current one."
        )
    return start


def page(
    of: Subject, wanted: Wanted, *, cursor: str, limit: int, sort: Sort = Sort.KEY
) -> tuple[list[Explained], str | None]:
    """Return up to `limit` series after a cursor, and the next cursor if there are more.

    The order is stable: a series keeps its place, unless it is sorted by a report that has come
    since. Raises explained_pages.InvalidCursorError, and recounting.EvidenceExpiredError where
    reports that were purged would have to be read.
    """
    place = explained_pages.read(cursor, source=of.source, sort=sort) if cursor else None
    conditions, parameters = _filters(of, wanted)
    if place is not None:
        condition, more = explained_pages.after(place, parameters)
        parameters |= more
        if not _is_by_name(of, sort):
            conditions.append(condition)
    sql = _page_sql(of, conditions, sort=sort, is_continued=place is not None)
    with connection.cursor() as cursor_:
        cursor_.execute(sql, parameters | {"limit": limit + 1})
        rows = cursor_.fetchall()
    if place and sort is Sort.KEY and not rows and of.source is not Source.STATEMENT:
        explained_pages.check_is_place(place)
    shown = rows[:limit]
    if of.source is Source.LEDGER and not _needs_reports(sort):
        shown = _with_reports(of, shown)
    explained = [_explained(of, row) for row in shown]
    following = _place(of, sort, explained[-1]) if len(rows) > limit else None
    return explained, explained_pages.written(following) if following else None


def count(of: Subject, wanted: Wanted) -> Total:
    """Return how many series match; raises recounting.EvidenceExpiredError as `page` does."""
    conditions, parameters = _filters(of, wanted)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), count(*) FILTER (WHERE billed)"  # noqa: S608 - our own expressions
            f" FROM ({_source(of)}) explained WHERE {' AND '.join(conditions)}",
            parameters,
        )
        row = cursor.fetchone()
    assert row is not None
    return Total(*row)


def earlier(of: Subject) -> Earlier:
    """Return what a period is compared with: the one that ended last when it began.

    Without one that is the time before it, as long as a trailing count looks back.
    """
    period = (
        BillingPeriod.objects.filter(organization_id=of.organization_id, ends_at__lte=of.starts_at)
        .select_related("statement")
        .order_by("-ends_at")
        .first()
    )
    if period is None:
        return Earlier(of.starts_at - usage.TRAILING, of.starts_at, None)
    statement: Statement | None = getattr(period, "statement", None)
    return Earlier(period.starts_at, period.ends_at, statement.pk if statement else None)


def stream(of: Subject, wanted: Wanted) -> Iterator[list[Explained]]:
    """Yield all series in chunks, of one statement and so one snapshot; memory stays bounded."""
    conditions, parameters = _filters(of, wanted)
    sql = (
        f"SELECT {_COLUMNS} FROM ({_source(of, with_reports=True)}) explained"  # noqa: S608
        f" WHERE {' AND '.join(conditions)}"
        f" ORDER BY {explained_pages.order(of.source, Sort.KEY).sql}"
    )
    for rows in _chunks(sql, parameters):
        yield [_explained(of, row) for row in rows]


def evidence_lines(of: Subject) -> Iterator[bytes]:
    """Yield the canonical evidence in pieces; of a closed period it has the statement's hash."""
    source = f"({_LINES if of.source is Source.STATEMENT else explaining.reports_sql()}) line"
    for rows in _chunks(evidence.sorted_lines_sql(source), _parameters(of)):
        yield "".join(f"{line}\n" for (line,) in rows).encode()


def _chunks(sql: str, parameters: dict[str, Any]) -> Iterator[list[tuple[Any, ...]]]:
    with connection.chunked_cursor() as cursor:
        cursor.execute(sql, parameters)
        while rows := cursor.fetchmany(CHUNK):
            yield rows


def _page_sql(of: Subject, conditions: list[str], *, sort: Sort, is_continued: bool) -> str:
    columns = f"{_COLUMNS}, {', '.join(explained_pages.keys(of.source))}"
    if _is_by_name(of, sort):
        return explained_pages.by_name_sql(columns, conditions, is_continued=is_continued)
    return (
        f"SELECT {columns} FROM ({_source(of, with_reports=_needs_reports(sort))}) explained"  # noqa: S608
        f" WHERE {' AND '.join(conditions)}"
        f" ORDER BY {explained_pages.order(of.source, sort).sql} LIMIT %(limit)s"
    )


def _is_by_name(of: Subject, sort: Sort) -> bool:
    return of.source is Source.LEDGER and sort is Sort.NAME


def _needs_reports(sort: Sort) -> bool:
    return sort in (Sort.FIRST, Sort.FIRST_OLDEST)


def _place(of: Subject, sort: Sort, last: Explained) -> Place:
    at = {
        Sort.LAST: last.last_seen,
        Sort.LAST_OLDEST: last.last_seen,
        Sort.FIRST: last.first_seen,
        Sort.FIRST_OLDEST: last.first_seen,
    }.get(sort)
    return Place(of.source, sort, last.testbed_uuid, last.benchmark_uuid, last.measure_uuid, at)


def _source(of: Subject, *, with_reports: bool = False) -> str:
    match of.source:
        case Source.LEDGER:
            return explaining.ledger_sql(with_reports=with_reports)
        case Source.REPORTS:
            return explaining.reports_sql()
        case Source.STATEMENT:
            return _LINES


def _parameters(of: Subject) -> dict[str, Any]:
    return {
        "organization": of.organization_id,
        "start": of.starts_at,
        "end": of.ends_at,
        "basis": of.basis,
        "statement": of.statement and of.statement.pk,
    }


def _filters(of: Subject, wanted: Wanted) -> tuple[list[str], dict[str, Any]]:
    kinds = ("project", "testbed", "benchmark", "measure")
    asked: dict[str, tuple[str, Any]] = {
        **{
            kind: (f"{kind}_uuid = ANY(%({kind})s::uuid[])", given)
            for kind in kinds
            if (given := _listed(getattr(wanted, f"{kind}s"))) is not None
        },
        "billed": ("billed = %(billed)s", wanted.billed),
        "reason": ("reason = %(reason)s", _stored(of, wanted.reason)),
        "search": (
            f"strpos(lower({_NAMES} || E'\\n' || measure_name), lower(%(search)s)) > 0",
            wanted.search or None,
        ),
    }
    used = {name: found for name, found in asked.items() if found[1] is not None}
    conditions = ["true", *(condition for condition, _ in used.values())]
    parameters = _parameters(of) | {name: value for name, (_, value) in used.items()}
    if wanted.only is None:
        return conditions, parameters
    condition, more = _compared(of, wanted.only)
    return [*conditions, condition], parameters | more


def _listed(uuids: Sequence[UUID] | None) -> list[UUID] | None:
    return None if uuids is None else list(uuids)


def _compared(of: Subject, only: Only) -> tuple[str, dict[str, Any]]:
    """Return the condition of a comparison with the period before, and its parameters."""
    before = earlier(of)
    parameters = {
        "earlier_start": before.starts_at,
        "earlier_end": before.ends_at,
        "earlier_statement": before.statement_id,
    }
    if only is Only.MISSING:
        return _MISSING if of.source is Source.LEDGER else "false", parameters
    if before.statement_id is not None:
        return _NEW.format(earlier=_EARLIER_LINES), parameters
    recounting.check_evidence(of.organization_id, start=before.starts_at)
    reported = explaining.reported_sql(
        organization="%(organization)s", start="%(earlier_start)s", end="%(earlier_end)s"
    )
    return _NEW.format(earlier=reported), parameters


def _stored(of: Subject, reason: Reason | None) -> str | None:
    """Return the reason as rows carry it, which know nothing of trials."""
    in_trial = of.kind == BillingPeriod.Kind.TRIAL
    if reason is (Reason.COVERED_BY_TRIAL if in_trial else Reason.SEEN):
        return explaining.Reason.SEEN
    return "none" if reason in (Reason.SEEN, Reason.COVERED_BY_TRIAL) else reason


def _explained(of: Subject, row: tuple[Any, ...]) -> Explained:
    reason = Reason(row[10])
    if reason is Reason.SEEN and of.kind == BillingPeriod.Kind.TRIAL:
        reason = Reason.COVERED_BY_TRIAL
    values = [*row[:10], reason, *row[11:15]]
    return Explained(*values)


def _with_reports(of: Subject, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Look up the first and last report of these rows, in one statement."""
    inside = [row for row in rows if row[10] != explaining.Reason.SEEN_OUTSIDE]
    testbeds, benchmarks, measures = (sorted({row[at] for row in inside}) for at in (15, 16, 17))
    with connection.cursor() as cursor:
        cursor.execute(
            explaining.reports_of_sql(),
            _parameters(of)
            | {"testbeds": testbeds, "benchmarks": benchmarks, "measures": measures},
        )
        found = {row[:3]: row[3:] for row in cursor.fetchall()}
    return [(*row[:11], *found.get(row[15:18], row[11:15]), *row[15:18]) for row in rows]
