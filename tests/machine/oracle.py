"""What an outsider knows who kept every request and every answer.

It shares no code and no SQL with the system. A name stands for what was first reported under it
and keeps standing for it when that is renamed; a name that is free again makes something new.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any, NamedTuple

Results = list[dict[str, dict[str, Any]]]
Series = tuple[str, int, int, int]
Names = tuple[str, str, str, str]


class Line(NamedTuple):
    """A series in a statement."""

    billed: bool
    first: datetime
    last: datetime


@dataclass(frozen=True)
class Sighting:
    """That a series was seen, and the instant at which that counts."""

    series: Series
    at: datetime


@dataclass(frozen=True)
class Fall:
    """That a project was made public or deleted."""

    project: str
    at: datetime


@dataclass
class ProjectKnown:
    """A project with the names in it, each with the number of what it stands for."""

    private: bool
    deleted: bool = False
    names: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))


class Oracle:
    """One organization."""

    def __init__(self) -> None:
        self.projects: dict[str, ProjectKnown] = {}
        self.sightings: list[Sighting] = []
        self.fence: datetime | None = None
        # Whenever a project was made public or deleted: then, and only then, a count may fall.
        self.falls: list[Fall] = []
        self._numbers = count(1)

    def fence_at(self, at: datetime) -> None:
        """Note that nothing can be dated to before an instant any more."""
        self.fence = at if self.fence is None else max(self.fence, at)

    def reported(
        self,
        project: str,
        *,
        testbed: str,
        results: Results,
        end_time: datetime,
        received_at: datetime,
    ) -> None:
        """Note a report that was answered with 201; `received_at` is what the answer said."""
        at = end_time
        if end_time > received_at or (self.fence is not None and end_time < self.fence):
            at = received_at if self.fence is None else max(received_at, self.fence)
        bed = self._number(project, "testbeds", testbed)
        for benchmark, measure in _pairs(results):
            series = (
                project,
                bed,
                self._number(project, "benchmarks", benchmark),
                self._number(project, "measures", measure),
            )
            self.sightings.append(Sighting(series, at))

    def renamed(self, project: str, kind: str, name: str, to: str) -> None:
        """Note that something has another name now."""
        names = self.projects[project].names[kind]
        names[to] = names.pop(name)

    def active(self, start: datetime, end: datetime) -> dict[Series, tuple[datetime, datetime]]:
        """Return every series seen in [start, end), billed or not: its first and last instant."""
        found: dict[Series, tuple[datetime, datetime]] = {}
        for seen in self.sightings:
            if start <= seen.at < end:
                first, last = found.get(seen.series, (seen.at, seen.at))
                found[seen.series] = (min(first, seen.at), max(last, seen.at))
        return found

    def by_project(self, start: datetime, end: datetime) -> dict[str, int]:
        """Return how many of them each project has."""
        return Counter(project for project, *_ in self.active(start, end))

    def lines(self, start: datetime, end: datetime) -> dict[Names, Line]:
        """Return what a statement must list, by the names of today."""
        return {
            self._names(series): Line(self._is_billed(series[0]), first, last)
            for series, (first, last) in self.active(start, end).items()
        }

    def billed(self, start: datetime, end: datetime) -> int:
        """Return how many of them are billed with the projects as they are now."""
        return sum(self._is_billed(series[0]) for series in self.active(start, end))

    def ledger(self) -> dict[Names, datetime]:
        """Return when each series was last seen, by the names of today."""
        last: dict[Names, datetime] = {}
        for seen in self.sightings:
            names = self._names(seen.series)
            last[names] = max(seen.at, last.get(names, seen.at))
        return last

    def _names(self, series: Series) -> Names:
        project, testbed, benchmark, measure = series
        names = self.projects[project].names
        return (
            project,
            _name(names["testbeds"], testbed),
            _name(names["benchmarks"], benchmark),
            _name(names["measures"], measure),
        )

    def _is_billed(self, project: str) -> bool:
        known = self.projects[project]
        return known.private and not known.deleted

    def _number(self, project: str, kind: str, name: str) -> int:
        names = self.projects[project].names[kind]
        if name not in names:
            names[name] = next(self._numbers)
        return names[name]


def price_cents(series: int) -> int:
    """Return the default ladder's price of a month, from its description in words."""
    if series <= 250:
        return 10000
    if series <= 375:
        return 15000
    if series <= 500:
        return 20000
    return 40 * series


def _pairs(results: Results) -> Iterable[tuple[str, str]]:
    return {
        (benchmark, measure)
        for iteration in results
        for benchmark, measures in iteration.items()
        for measure in measures
    }


def _name(names: dict[str, int], number: int) -> str:
    return next(name for name, known in names.items() if known == number)
