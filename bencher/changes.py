"""Changes from the audit, in words for staff."""

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.apps import apps
from django.db.models import Model
from django.utils.text import capfirst

from bencher import dates
from bencher.models import Change
from bencher.readable_columns import in_words

# What a page shows of a row's past; the list of all changes shows the rest.
SHOWN = 100
_LONGEST = 200
# As PostgreSQL writes an instant into JSON.
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?[+-]\d\d:\d\d")


@dataclass(frozen=True, slots=True)
class ChangeShown:
    """One change, as the history of a row shows it."""

    at: dates.Written
    who: str
    what: str
    columns: tuple[str, ...]
    why: str
    request: str


def of_row(row: Model) -> list[ChangeShown]:
    """Return the latest changes of a row, newest first, in one query."""
    found = Change.objects.filter(relation=row._meta.db_table, row=str(row.pk))
    return [shown(change) for change in found.select_related("user").order_by("-id")[:SHOWN]]


def shown(change: Change) -> ChangeShown:
    """Return a change in words."""
    return ChangeShown(
        at=dates.moment(change.at),
        who=who(change),
        what=change.get_kind_display(),
        columns=columns(change),
        why=change.why,
        request=change.request,
    )


def who(change: Change) -> str:
    """Say who made a change: a person, what of ours, or else a role of the database."""
    return who_of(change.user.email if change.user_id and change.user else "", change)


def who_of(email: str, change: Change) -> str:
    """Say who made a change, where the person's address is known already."""
    parts = [part for part in (email, change.program) if part]
    return ", by ".join(parts) or f"{change.role}, directly in the database or by a report"


def of_what(change: Change) -> str:
    """Say of what a change was, in the words for one row of its table."""
    return named(change.relation)


def named(table: str) -> str:
    """Return what a row of a table is called."""
    return _names().get(table, table.replace("_", " "))


@cache
def _names() -> dict[str, str]:
    return {
        model._meta.db_table: str(capfirst(model._meta.verbose_name)) for model in apps.get_models()
    }


def columns(change: Change) -> tuple[str, ...]:
    """Say for each column that was changed what it was and what it became."""
    before, after = change.before or {}, change.after or {}
    return tuple(
        f"{name.removesuffix('_id').replace('_', ' ')}: {_both(name, before, after)}"
        for name in sorted(before.keys() | after.keys())
    )


def _both(name: str, before: dict[str, Any], after: dict[str, Any]) -> str:
    return " → ".join(_text(values[name]) for values in (before, after) if name in values)


def _text(value: Any) -> str:
    if isinstance(value, str) and _INSTANT.fullmatch(value):
        return dates.moment(dates.instant(value)).text
    text = "nothing" if value in (None, "") else in_words(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
