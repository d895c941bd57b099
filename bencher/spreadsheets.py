"""CSV files that people open in spreadsheets: what a cell may say there, and a file in pieces."""

import csv
import io
from collections.abc import Iterable
from datetime import datetime

from bencher.dates import rfc3339

CSV_TYPE = "text/csv; charset=utf-8"

# A spreadsheet takes a cell that begins so for a formula and runs it, in full-width forms too.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def cell(value: object) -> str:
    """Return a value as a cell; text that would be taken for a formula gets an apostrophe."""
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


def written(rows: Iterable[Iterable[str]]) -> bytes:
    """Return rows of cells as a piece of a CSV file, UTF-8 without a byte order mark."""
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
