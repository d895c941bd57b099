"""Explained series as files: CSV for spreadsheets, NDJSON for programs."""

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import fields
from datetime import datetime
from operator import attrgetter

import msgspec

from bencher.dates import rfc3339
from billing.explaining import Explained

CSV_TYPE = "text/csv; charset=utf-8"
NDJSON_TYPE = "application/x-ndjson"

_COLUMNS = [field.name for field in fields(Explained)]
_cells = attrgetter(*_COLUMNS)

# A spreadsheet takes a cell that begins so for a formula and runs it, in full-width forms too.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def as_csv(chunks: Iterable[list[Explained]]) -> Iterator[bytes]:
    """Yield a CSV file with a header in pieces, UTF-8 without a byte order mark.

    A name that a spreadsheet would take for a formula gets an apostrophe in front.
    """
    yield _written([_COLUMNS])
    for chunk in chunks:
        yield _written([list(map(_cell, _cells(series))) for series in chunk])


def as_ndjson(chunks: Iterable[list[Explained]]) -> Iterator[bytes]:
    """Yield a line of JSON for each series, with the names as they are."""
    encoder = msgspec.json.Encoder()
    for chunk in chunks:
        yield encoder.encode_lines(chunk)


def table_as_csv(columns: list[str], rows: Iterable[list[object]]) -> bytes:
    """Return a whole CSV file, its cells written as those of series are."""
    return _written([columns, *(list(map(_cell, row)) for row in rows)])


def _written(rows: list[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case datetime():
            return rfc3339(value)
        case str():
            # Some spreadsheets pass over spaces before they look.
            return f"'{value}" if value.lstrip(" ").startswith(_FORMULA) else str(value)
        case _:
            return str(value)
