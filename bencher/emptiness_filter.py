"""A filter of an admin's list by whether something was noted: since when, or why."""

from collections.abc import Iterator
from typing import Any

from django.contrib.admin import EmptyFieldListFilter
from django.contrib.admin.views.main import ChangeList

_CHOICES = ("All", "no", "yes")


class IsNoted(EmptyFieldListFilter):
    """Asks of a column that may be empty, such as `handled_at`: handled, yes or no?"""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title: str = str(self.title).removesuffix(" at")

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """Yield Django's choices, which it calls "Empty" and "Not empty"."""
        for choice, display in zip(super().choices(changelist), _CHOICES, strict=True):
            yield {**choice, "display": display}
