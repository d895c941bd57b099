"""An admin list as CSV: the columns that it shows, row by row as the database hands them out."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from django.contrib.admin.utils import label_for_field, lookup_field
from django.core.exceptions import ObjectDoesNotExist
from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.html import strip_tags
from django.utils.safestring import SafeString
from django.utils.text import capfirst

from bencher.spreadsheets import cell, written

# So many rows are held at a time, and looked up together.
CHUNK = 500
_LONGEST = 1000


def csv(model_admin: Any, columns: Sequence[Any], rows: QuerySet[Any]) -> Iterator[bytes]:
    """Yield a CSV file with a header in pieces; the rows come over a server-side cursor."""
    model = model_admin.model
    yield written(
        [[cell(capfirst(str(label_for_field(name, model, model_admin)))) for name in columns]]
    )
    # Neither side ever holds more than a chunk.
    found = rows.iterator(chunk_size=CHUNK)
    while chunk := list(islice(found, CHUNK)):
        model_admin.prepare(chunk)
        yield written([_value(name, row, model_admin) for name in columns] for row in chunk)


def described(query: QueryDict) -> str:
    """Return what is kept of an export: which filters, search and order it had."""
    asked = ", ".join(f"{name}={value}" for name, values in query.lists() for value in values)
    return f"Exported as CSV: {asked[:_LONGEST] or 'the whole list'}"


def _value(name: Any, row: Any, model_admin: Any) -> str:
    try:
        _, _, value = lookup_field(name, row, model_admin)
    except ObjectDoesNotExist:
        return ""
    if isinstance(value, SafeString):
        # A cell of the page that is a link.
        return cell(strip_tags(value))
    return cell(value if isinstance(value, bool | int | datetime | None) else str(value))
