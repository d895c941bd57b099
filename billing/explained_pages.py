"""Pages of explained series: the orders that they can be read in, and where a page goes on.

A page goes on after the last series of the one before it and is never counted from the start, so
one far behind costs what the first does. All columns of an order run the same way, because only
then can PostgreSQL compare them as one row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.db import connection

from series import explaining


class Source(StrEnum):
    """What a period is explained from."""

    LEDGER = "ledger"
    REPORTS = "reports"
    STATEMENT = "statement"


class Sort(StrEnum):
    """In which order series are listed; the first is the cheapest, and what programs read."""

    KEY = "key"
    NAME = "name"
    LAST = "last"
    LAST_OLDEST = "last-oldest"
    FIRST = "first"
    FIRST_OLDEST = "first-oldest"


class InvalidCursorError(ValueError):
    """The cursor was not given out for this list."""


@dataclass(frozen=True, slots=True)
class Order:
    """By what the rows of a source are sorted, all columns in one direction."""

    columns: tuple[str, ...]
    descending: bool = False

    @property
    def sql(self) -> str:
        """Return it as ORDER BY has it."""
        direction = " DESC" if self.descending else ""
        return ", ".join(f"{column}{direction}" for column in self.columns)

    @property
    def after(self) -> str:
        """Return the condition of what comes after %(after_0)s, %(after_1)s and so on."""
        values = ", ".join(f"%(after_{index})s" for index in range(len(self.columns)))
        return f"({', '.join(self.columns)}) {'<' if self.descending else '>'} ({values})"


@dataclass(frozen=True, slots=True)
class Place:
    """A series' place in a list: what it is, and the instant it was sorted by, if any."""

    source: Source
    sort: Sort
    testbed: UUID
    benchmark: UUID
    measure: UUID
    at: datetime | None = None


IDS = ("testbed_id", "benchmark_id", "measure_id")
UUIDS = ("testbed_uuid", "benchmark_uuid", "measure_uuid")
BY_FIRST = "coalesce(first_seen_at, '-infinity')"

_NOT_GIVEN_OUT = "Give `cursor` as `next` of the page before."
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

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

# What a series is called and known by now, and what it was called in a statement.
_NAMED = """
SELECT project.name, testbed.name, testbed.id, benchmark.name, measure.name,
       benchmark.id, measure.id
FROM series_testbed testbed
JOIN series_project project ON project.id = testbed.project_id
JOIN series_benchmark benchmark ON benchmark.project_id = project.id
JOIN series_measure measure ON measure.project_id = project.id
WHERE project.organization_id = %(organization)s AND testbed.uuid = %(testbed_after)s
  AND benchmark.uuid = %(benchmark_after)s AND measure.uuid = %(measure_after)s
"""
_NAMED_IN_STATEMENT = """
SELECT project_name, testbed_name, testbed_uuid, benchmark_name, measure_name,
       benchmark_uuid, measure_uuid
FROM billing_statementline
WHERE statement_id = %(statement)s AND testbed_uuid = %(testbed_after)s
  AND benchmark_uuid = %(benchmark_after)s AND measure_uuid = %(measure_after)s
"""

# Testbed by testbed in the order of names, and of each no more than a page; so the walk stops
# after a page, however many series there are. An empty name is before all others.
_BY_NAME = """
SELECT {columns}
FROM ({testbeds}) place
CROSS JOIN LATERAL (
    SELECT * FROM ({series}) explained
    WHERE {conditions}
    ORDER BY benchmark_name, measure_name LIMIT %(limit)s
) explained
WHERE {from_testbed}
ORDER BY place.owner_name, place.name, place.id,
         explained.benchmark_name, explained.measure_name
LIMIT %(limit)s
"""
_FROM_TESTBED = (
    "(place.owner_name, place.name, place.id) >= (%(after_0)s, %(after_1)s, %(after_2)s)"
)
# To tell PostgreSQL apart that the benchmarks begin there makes it expect so few that it sorts them
# all, which takes three times as long.
_AFTER_NAME = (
    "(benchmark_name, measure_name) > ("
    "CASE WHEN place.id = %(after_2)s THEN %(after_3)s ELSE '' END,"
    " CASE WHEN place.id = %(after_2)s THEN %(after_4)s ELSE '' END)"
)


def keys(source: Source) -> tuple[str, ...]:
    """Return the columns by which a source knows its series apart."""
    return UUIDS if source is Source.STATEMENT else IDS


def order(source: Source, sort: Sort) -> Order:
    """Return by what a source is sorted."""
    testbed, benchmark, measure = own = keys(source)
    match sort:
        case Sort.KEY:
            return Order(own)
        case Sort.NAME:
            names = ("project_name", "testbed_name", testbed, "benchmark_name", "measure_name")
            return Order((*names, benchmark, measure))
        case Sort.LAST | Sort.LAST_OLDEST:
            return Order(("last_seen_at", *own), descending=sort is Sort.LAST)
        case Sort.FIRST | Sort.FIRST_OLDEST:
            return Order((BY_FIRST, *own), descending=sort is Sort.FIRST)


def by_name_sql(columns: str, conditions: Sequence[str], *, is_continued: bool) -> str:
    """Return a SELECT of a page of the ledger in the order of names."""
    return _BY_NAME.format(
        columns=columns,
        testbeds=explaining.testbeds_sql(),
        series=explaining.ledger_of_testbed_sql(),
        conditions=" AND ".join([*conditions, *([_AFTER_NAME] if is_continued else [])]),
        from_testbed=_FROM_TESTBED if is_continued else "true",
    )


def after(place: Place, parameters: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the condition of what comes after a place, and its parameters.

    Raises InvalidCursorError where the list has no such place.
    """
    values = {
        "testbed_after": place.testbed,
        "benchmark_after": place.benchmark,
        "measure_after": place.measure,
    }
    if place.sort is Sort.KEY:
        return _AFTER_UUIDS if place.source is Source.STATEMENT else _AFTER_IDS, values
    named = _named(place, parameters | values)
    if place.sort is not Sort.NAME:
        named = (place.at or "-infinity", named[2], named[5], named[6])
    found = {f"after_{index}": value for index, value in enumerate(named)}
    return order(place.source, place.sort).after, found


def _named(place: Place, parameters: dict[str, Any]) -> tuple[Any, ...]:
    with connection.cursor() as cursor:
        in_statement = place.source is Source.STATEMENT
        cursor.execute(_NAMED_IN_STATEMENT if in_statement else _NAMED, parameters)
        row: tuple[Any, ...] | None = cursor.fetchone()
    if row is None:
        raise InvalidCursorError(_NOT_GIVEN_OUT)
    return row


def written(place: Place) -> str:
    """Return a place as a cursor."""
    series = f"{place.testbed}.{place.benchmark}.{place.measure}"
    if place.sort is Sort.KEY:
        return f"{place.source}.{series}"
    at = (place.at - _EPOCH) // _MICROSECOND if place.at else ""
    return f"{place.source}.{place.sort}.{at}.{series}"


def read(cursor: str, *, source: Source, sort: Sort) -> Place:
    """Return the place that a cursor of such a list stands for. Raises InvalidCursorError."""
    given, *rest = cursor.split(".")
    own_sort, at, *uuids = rest if len(rest) == 5 else (Sort.KEY, "", *rest)
    try:
        testbed, benchmark, measure = map(UUID, uuids)
        instant = _EPOCH + int(at) * _MICROSECOND if at else None
    except (ValueError, OverflowError):
        raise InvalidCursorError(_NOT_GIVEN_OUT) from None
    if given != source:
        raise InvalidCursorError("The period was closed since that page; begin again without it.")
    if own_sort != sort:
        raise InvalidCursorError("That page was sorted otherwise; begin again without `cursor`.")
    return Place(source, sort, testbed, benchmark, measure, instant)


def check_is_place(place: Place) -> None:
    """Raise InvalidCursorError for a place that nothing has, and that nothing follows either."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM series_testbed WHERE uuid = %s)"
            " AND EXISTS (SELECT FROM series_benchmark WHERE uuid = %s)"
            " AND EXISTS (SELECT FROM series_measure WHERE uuid = %s)",
            [place.testbed, place.benchmark, place.measure],
        )
        row = cursor.fetchone()
    if not (row and row[0]):
        raise InvalidCursorError(_NOT_GIVEN_OUT)
