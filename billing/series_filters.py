"""What an address asks of the list of series: which ones, in which order, from where on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeVar
from urllib.parse import urlencode
from uuid import UUID

from bencher.tenancy.models import Organization
from billing.explained_pages import Sort
from billing.explaining import Only, Wanted
from series import choices
from series.models import Measure, Testbed

Choice = TypeVar("Choice", bound=StrEnum)

# As long as the longest name of a benchmark.
LONGEST_TEXT = 1024


class Show(StrEnum):
    """Which series to list, by what the period makes of them."""

    ALL = "all"
    BILLED = "billed"
    NOT_BILLED = "not-billed"
    NEW = "new"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Filters:
    """A list of series as its address asks for it; empty texts do not matter."""

    search: str = ""
    project: str = ""
    testbed: str = ""
    measure: str = ""
    show: Show = Show.ALL
    sort: Sort = Sort.NAME
    cursor: str = ""
    # In words, what of the address could not be used.
    errors: tuple[str, ...] = ()

    def query(self, *, cursor: str = "", **more: str) -> str:
        """Return the query string of the same list, from another place on."""
        asked = {
            "search": self.search,
            "project": self.project,
            "testbed": self.testbed,
            "measure": self.measure,
            "show": "" if self.show is Show.ALL else self.show.value,
            "sort": "" if self.sort is Sort.NAME else self.sort.value,
            "cursor": cursor,
        }
        return urlencode({name: value for name, value in (asked | more).items() if value})

    @property
    def is_narrowed(self) -> bool:
        """Tell whether the list leaves any series out."""
        texts = (self.search, self.project, self.testbed, self.measure)
        return any(texts) or self.show is not Show.ALL


def read(query: Mapping[str, str]) -> Filters:
    """Return what a query string asks; what it can't mean is left out and told in `errors`."""
    errors: list[str] = []
    texts = {
        name: _text(query, name, errors)
        for name in ("search", "project", "testbed", "measure", "cursor")
    }
    return Filters(
        **texts,
        show=_one_of(Show, query, "show", Show.ALL, errors),
        sort=_one_of(Sort, query, "sort", Sort.NAME, errors),
        errors=tuple(errors),
    )


def _text(query: Mapping[str, str], name: str, errors: list[str]) -> str:
    text = query.get(name, "").strip()
    if "\0" in text or len(text) > LONGEST_TEXT:
        errors.append(f"The {name} can’t be read, so it was left out: give up to 1,024 characters.")
        return ""
    return text


def _one_of(
    choice: type[Choice],
    query: Mapping[str, str],
    name: str,
    default: Choice,
    errors: list[str],
) -> Choice:
    text = query.get(name, "")
    if not text:
        return default
    try:
        return choice(text)
    except ValueError:
        known = ", ".join(choice)
        errors.append(f"There is no “{name}” called “{text[:50]}”; it is one of {known}.")
        return default


def wanted(filters: Filters, organization: Organization) -> tuple[Wanted, Filters]:
    """Return which series are wanted, and the filters with what names nothing told in `errors`."""
    errors = list(filters.errors)

    def named(
        kind: str, text: str, find: Callable[[int, str], Sequence[UUID]]
    ) -> Sequence[UUID] | None:
        if not text:
            return None
        found = find(organization.pk, text)
        if not found:
            errors.append(f"{organization.name} has no {kind} “{text}”. Choose one of the list.")
        return found

    found = Wanted(
        projects=named("project", filters.project, choices.projects_called),
        testbeds=named(
            "testbed", filters.testbed, lambda own, text: choices.called(Testbed, own, text)
        ),
        measures=named(
            "measure", filters.measure, lambda own, text: choices.called(Measure, own, text)
        ),
        billed={Show.BILLED: True, Show.NOT_BILLED: False}.get(filters.show),
        only={Show.NEW: Only.NEW, Show.MISSING: Only.MISSING}.get(filters.show),
        search=filters.search,
    )
    return found, replace(filters, errors=tuple(errors))
