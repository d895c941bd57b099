"""What staff did, in Django's log of the admin. Triggers keep it and have it in the audit too."""

from datetime import datetime

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model
from django.utils.text import capfirst

from bencher.tenancy.models import User

_LONGEST = 200  # Of what a row is called; the column's length.


def write(row: Model, *, by: User, at: datetime, said: str) -> None:
    """Leave an entry about a row; `at` is the site's own clock, as in what was done."""
    _write(type(row), str(row.pk), str(row), by=by, at=at, said=said)


def write_of_list(model: type[Model], *, by: User, at: datetime, said: str) -> None:
    """Leave an entry about a list."""
    name = str(capfirst(model._meta.verbose_name_plural))
    _write(model, None, name, by=by, at=at, said=said)


def _write(
    model: type[Model], pk: str | None, name: str, *, by: User, at: datetime, said: str
) -> None:
    LogEntry.objects.create(
        user=by,
        content_type=ContentType.objects.get_for_model(model),
        object_id=pk,
        object_repr=name[:_LONGEST],
        action_flag=CHANGE,
        change_message=said,
        action_time=at,
    )
