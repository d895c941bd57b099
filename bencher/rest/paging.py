"""Lists in pages, as Bencher's clients ask for them."""

from enum import StrEnum
from typing import Annotated, TypeVar

import msgspec
from django.db.models import F, Model, QuerySet
from msgspec import Meta

Row = TypeVar("Row", bound=Model)

DEFAULT_PER_PAGE = 8
MAX_PER_PAGE = 255


class Direction(StrEnum):
    """Which way a list is sorted."""

    ASC = "asc"
    DESC = "desc"


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Which page of a list is wanted. Page 0 is the first one too."""

    page: Annotated[int, Meta(ge=0, le=2**32 - 1)] = 1
    per_page: Annotated[int, Meta(ge=0, le=MAX_PER_PAGE)] = DEFAULT_PER_PAGE
    direction: Direction | None = None


def rows(
    found: QuerySet[Row], page: Page, *, sort: str, default: Direction
) -> tuple[list[Row], int]:
    """Return one page of a query, and how many rows there are in all.

    The order is stable: rows that sort alike follow in the order they were made.
    """
    descending = (page.direction or default) is Direction.DESC
    field, last = F(sort), F("pk")
    ordered = (
        found.order_by(field.desc(), last.desc())
        if descending
        else found.order_by(field.asc(), last.asc())
    )
    start = (max(page.page, 1) - 1) * page.per_page
    # A page beyond what PostgreSQL can skip is empty, like any page past the end.
    if start >= 2**63 - MAX_PER_PAGE:
        return [], found.count()
    return list(ordered[start : start + page.per_page]), found.count()
