"""Changes from the audit, in words for staff."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Model

from bencher import dates
from bencher.models import Change

# What a page shows of a row's past; the list of all changes shows the rest.
SHOWN = 100
_LONGEST = 200


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
    person = change.user.email if change.user_id and change.user else ""
    parts = [part for part in (person, change.program) if part]
    return ", by ".join(parts) or f"{change.role}, directly in the database or by a report"


def columns(change: Change) -> tuple[str, ...]:
    """Say for each column that was changed what it was and what it became."""
    before, after = change.before or {}, change.after or {}
    return tuple(
        f"{name.removesuffix('_id')}: {_both(name, before, after)}"
        for name in sorted(before.keys() | after.keys())
    )


def _both(name: str, before: dict[str, Any], after: dict[str, Any]) -> str:
    return " → ".join(_text(values[name]) for values in (before, after) if name in values)


def _text(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
