"""Explained series as files: CSV for spreadsheets, NDJSON for programs."""

from collections.abc import Iterable, Iterator
from dataclasses import fields
from operator import attrgetter

import msgspec

from bencher.spreadsheets import cell, written
from billing.explaining import Explained

NDJSON_TYPE = "application/x-ndjson"

_COLUMNS = [field.name for field in fields(Explained)]
_cells = attrgetter(*_COLUMNS)


def as_csv(chunks: Iterable[list[Explained]]) -> Iterator[bytes]:
    """Yield a CSV file with a header in pieces, UTF-8 without a byte order mark.

    A name that a spreadsheet would take for a formula gets an apostrophe in front.
    """
    yield written([_COLUMNS])
    for chunk in chunks:
        yield written(map(cell, _cells(series)) for series in chunk)


def as_ndjson(chunks: Iterable[list[Explained]]) -> Iterator[bytes]:
    """Yield a line of JSON for each series, with the names as they are."""
    encoder = msgspec.json.Encoder()
    for chunk in chunks:
        yield encoder.encode_lines(chunk)


def table_as_csv(columns: list[str], rows: Iterable[list[object]]) -> bytes:
    """Return a whole CSV file, its cells written as those of series are."""
    return written([columns, *(map(cell, row) for row in rows)])
