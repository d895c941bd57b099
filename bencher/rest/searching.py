"""Lists that are sorted by name and can be searched, as Bencher's clients ask for them."""

import re
from enum import StrEnum
from typing import TypeVar

from django.db.models import Model, Q, QuerySet

from bencher.rest.paging import Page

Row = TypeVar("Row", bound=Model)

_PART_OF_A_UUID = re.compile(r"[0-9a-fA-F-]+")


class ByName(StrEnum):
    """What these lists can be sorted by."""

    NAME = "name"


class NamedPage(Page, frozen=True, kw_only=True):
    """Which page is wanted of the rows with that name, or with that text in name, slug or UUID."""

    sort: ByName = ByName.NAME
    name: str | None = None
    search: str | None = None


def narrow(
    rows: QuerySet[Row], asked: NamedPage, *, of: str = "", fields: tuple[str, ...] = ("slug",)
) -> QuerySet[Row]:
    """Return the rows that match; upper and lower case don't matter in a search.

    `of` leads from a row to what has the name, `fields` are searched beside name and UUID.
    """
    if "\0" in (asked.name or "") + (asked.search or ""):
        return rows.none()
    if asked.name is not None:
        rows = rows.filter(**{f"{of}name": asked.name})
    if asked.search:
        rows = rows.filter(_contains(asked.search, of=of, fields=("name", *fields)))
    return rows


def _contains(text: str, *, of: str, fields: tuple[str, ...]) -> Q:
    # Turning each row's UUID into text costs as much as the rest, and few searches are for one.
    if _PART_OF_A_UUID.fullmatch(text):
        fields = (*fields, "uuid")
    found = Q()
    for field in fields:
        found |= Q(**{f"{of}{field}__icontains": text})
    return found
