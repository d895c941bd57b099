"""What a column of a row says to a person: numbers with separators, JSON as words.

Columns are Django's own names as long as Django writes them well; the others become functions of
a row, which an admin may use in their place.
"""

from collections.abc import Callable, Collection
from functools import partial
from typing import Any

from django.contrib.admin.utils import display_for_field
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.utils.text import capfirst

NOTHING = "–"
# In a list these columns stand at the right, whatever they are of.
NUMBER = "number"

_SPELLED = {"uuid": "UUID", "url": "URL", "sha256": "SHA-256", "id": "ID"}

# Writes one value of a column of a row; None where it has nothing better than this module.
Write = Callable[[Any, "models.Field[Any, Any]"], str | None]


def label(field: "models.Field[Any, Any]") -> str:
    """Return what a column is called: "Stripe price ID", and "Amount" for an amount of cents."""
    words = str(field.verbose_name).removesuffix(" cents").split()
    return capfirst(" ".join(_SPELLED.get(word, word) for word in words))


def readable(
    model: type[models.Model],
    name: Any,
    *,
    write: Write,
    identifying: Collection[str] = (),
    in_list: bool = False,
) -> Any:
    """Return a column of an admin as a function of the row, or as it is where Django does it well.

    `identifying` are numbers that count nothing, and so have no separators.
    """
    field = _field(model, name)
    if field is None or name in identifying:
        return name
    is_number = _is_number(field)
    if in_list and not is_number and not isinstance(field, models.JSONField):
        return name
    shown = partial(_shown, field, write)
    shown.short_description = label(field)  # type: ignore[attr-defined]
    shown.admin_order_field = name  # type: ignore[attr-defined]
    shown.column = name  # type: ignore[attr-defined]
    # Becomes a class of the cell; on a row's page the help text is found by it.
    shown.__name__ = NUMBER if in_list and is_number else name  # type: ignore[attr-defined]
    return shown


def name_of(column: Any) -> Any:
    """Return Django's own name of a column that became a function."""
    return getattr(column, "column", column)


def in_words(value: Any) -> str:
    """Write JSON as words: plans: 1, events: 12."""
    match value:
        case dict():
            return ", ".join(f"{key}: {in_words(one)}" for key, one in value.items()) or NOTHING
        case list():
            return "; ".join(map(in_words, value)) or NOTHING
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
    return NOTHING if value in (None, "") else str(value)


def _shown(field: "models.Field[Any, Any]", write: Write, row: Any) -> Any:
    value = field.value_from_object(row)
    if value is not None and (written := write(row, field)) is not None:
        return written
    if isinstance(field, models.JSONField):
        return in_words(value)
    if value is not None and _is_number(field):
        return f"{value:,}"
    return display_for_field(value, field, NOTHING)


def _field(model: type[models.Model], name: Any) -> "models.Field[Any, Any] | None":
    """Return a column of the row itself; links to other rows are Django's to write."""
    if not isinstance(name, str):
        return None
    try:
        field = model._meta.get_field(name)
    except FieldDoesNotExist:
        return None
    return field if isinstance(field, models.Field) and not field.is_relation else None


def _is_number(field: "models.Field[Any, Any]") -> bool:
    return isinstance(field, models.IntegerField) and not (field.choices or field.primary_key)
