"""Explaining a figure: every series of a period, billed or not, with the reason and the reports.

A period that runs is explained from the ledger, one that has ended and is not closed yet from the
reports, a closed one from its statement's frozen lines.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.db import connection

from bencher.tenancy.models import Organization
from billing import evidence, usage
from billing.models import BillingPeriod, Statement
from series import explaining, recounting

CHUNK = 2000


class Source(StrEnum):
    """What a period is explained from."""

    LEDGER = "ledger"
    REPORTS = "reports"
    STATEMENT = "statement"


class Reason(StrEnum):
    """Why a series is billed, or is not. A series that a trial covers counts and costs nothing."""

    SEEN = "seen"
    COVERED_BY_TRIAL = "covered_by_trial"
    PUBLIC = "public"
    PROJECT_DELETED = "project_deleted"
    SEEN_OUTSIDE = "seen_outside"


class NoSuchPeriodError(LookupError):
    """The organization has no such period."""


class InvalidCursorError(ValueError):
    """The cursor was not given out for this list."""


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


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which series to explain; all that is empty does not matter."""

    project: UUID | None = None
    testbed: UUID | None = None
    benchmark: UUID | None = None
    measure: UUID | None = None
    billed: bool | None = None
    reason: Reason | None = None
    search: str = ""


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

_IDS = "testbed_id, benchmark_id, measure_id"
_UUIDS = "testbed_uuid, benchmark_uuid, measure_uuid"
_AFTER_IDS = """
(testbed_id, benchmark_id, measure_id) > (
    (SELECT id FROM series_testbed WHERE uuid = %(testbed_after)s),
    (SELECT id FROM series_benchmark WHERE uuid = %(benchmark_after)s),
    (SELECT id FROM series_measure WHERE uuid = %(measure_after)s)
)
"""
_AFTER_UUIDS = """
(testbed_uuid, benchmark_uuid, measure_uuid)
    > (%(testbed_after)s::uuid, %(benchmark_after)s::uuid, %(measure_after)s::uuid)
"""

_NOT_GIVEN_OUT = "Give `cursor` as `next` of the page before."
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
    of: Subject, wanted: Wanted, *, cursor: str, limit: int
) -> tuple[list[Explained], str | None]:
    """Return up to `limit` series after a cursor, and the next cursor if there are more.

    The order is stable: a series keeps its place. Raises InvalidCursorError.
    """
    conditions, parameters = _filters(of, wanted)
    if cursor:
        conditions.append(_AFTER_UUIDS if of.source is Source.STATEMENT else _AFTER_IDS)
        parameters |= _after(of, cursor)
    keys = _UUIDS if of.source is Source.STATEMENT else _IDS
    with connection.cursor() as cursor_:
        cursor_.execute(
            f"SELECT {_COLUMNS}, {keys} FROM ({_source(of)}) explained"  # noqa: S608
            f" WHERE {' AND '.join(conditions)} ORDER BY {keys} LIMIT %(limit)s",
            parameters | {"limit": limit + 1},
        )
        rows = cursor_.fetchall()
    if cursor and not rows and of.source is not Source.STATEMENT and not _is_place(parameters):
        raise InvalidCursorError(_NOT_GIVEN_OUT)
    shown = rows[:limit]
    if of.source is Source.LEDGER:
        shown = _with_reports(of, shown)
    explained = [_explained(of, row) for row in shown]
    more = len(rows) > limit
    return explained, _cursor(of, explained[-1]) if more else None


def stream(of: Subject, wanted: Wanted) -> Iterator[list[Explained]]:
    """Yield all series in chunks, of one statement and so one snapshot; memory stays bounded."""
    conditions, parameters = _filters(of, wanted)
    keys = _UUIDS if of.source is Source.STATEMENT else _IDS
    sql = (
        f"SELECT {_COLUMNS} FROM ({_source(of, with_reports=True)}) explained"  # noqa: S608
        f" WHERE {' AND '.join(conditions)} ORDER BY {keys}"
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
    asked: dict[str, tuple[str, Any]] = {
        "project": ("project_uuid = %(project)s", wanted.project),
        "testbed": ("testbed_uuid = %(testbed)s", wanted.testbed),
        "benchmark": ("benchmark_uuid = %(benchmark)s", wanted.benchmark),
        "measure": ("measure_uuid = %(measure)s", wanted.measure),
        "billed": ("billed = %(billed)s", wanted.billed),
        "reason": ("reason = %(reason)s", _stored(of, wanted.reason)),
        "search": (
            f"strpos(lower({_NAMES} || E'\\n' || measure_name), lower(%(search)s)) > 0",
            wanted.search or None,
        ),
    }
    used = {name: found for name, found in asked.items() if found[1] is not None}
    conditions = ["true", *(condition for condition, _ in used.values())]
    return conditions, _parameters(of) | {name: value for name, (_, value) in used.items()}


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


def _cursor(of: Subject, last: Explained) -> str:
    return f"{of.source}.{last.testbed_uuid}.{last.benchmark_uuid}.{last.measure_uuid}"


def _after(of: Subject, cursor: str) -> dict[str, UUID]:
    source, *keys = cursor.split(".")
    try:
        testbed, benchmark, measure = map(UUID, keys)
    except ValueError:
        raise InvalidCursorError(_NOT_GIVEN_OUT) from None
    if source != of.source:
        raise InvalidCursorError("The period was closed since that page; begin again without it.")
    return {"testbed_after": testbed, "benchmark_after": benchmark, "measure_after": measure}


def _is_place(parameters: dict[str, Any]) -> bool:
    """Tell whether there is such a place; after one that nothing has, nothing follows either."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM series_testbed WHERE uuid = %(testbed_after)s)"
            " AND EXISTS (SELECT FROM series_benchmark WHERE uuid = %(benchmark_after)s)"
            " AND EXISTS (SELECT FROM series_measure WHERE uuid = %(measure_after)s)",
            parameters,
        )
        row = cursor.fetchone()
    return bool(row and row[0])
