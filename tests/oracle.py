"""An independent answer to "which series were active?": plain Python over what was posted.

It reads what was sent and what was answered over HTTP, and shares no code and no SQL with the
system. Where it must know when a period closed, the test that closed it says so.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

Series = tuple[str, str, str, str]


@dataclass(frozen=True)
class Sighting:
    """That a report showed some series, and the instant at which that counts."""

    seen_at: datetime
    series: frozenset[Series]


@dataclass
class Oracle:
    """One organization as an outsider who kept every request would know it."""

    fence: datetime | None = None
    sightings: list[Sighting] = field(default_factory=list)
    private: dict[str, bool] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)

    def posted(
        self,
        *,
        project: str,
        testbed: str,
        results: Iterable[dict[str, dict[str, object]]],
        end_time: datetime,
        received_at: datetime,
    ) -> None:
        """Note a report that was answered with 201; `received_at` is what the answer said."""
        seen_at = end_time
        if end_time > received_at or (self.fence is not None and end_time < self.fence):
            seen_at = received_at if self.fence is None else max(received_at, self.fence)
        series = frozenset(
            (project, testbed, benchmark, measure)
            for iteration in results
            for benchmark, measures in iteration.items()
            for measure in measures
        )
        self.sightings.append(Sighting(seen_at=seen_at, series=series))

    def active(self, start: datetime, end: datetime) -> set[Series]:
        """Return every series that was seen in [start, end), billed or not."""
        found: set[Series] = set()
        for sighting in self.sightings:
            if start <= sighting.seen_at < end:
                found |= sighting.series
        return found

    def billed(self, start: datetime, end: datetime) -> int:
        """Return how many of them belong to private projects that are not deleted."""
        return sum(
            self.private[series[0]] and series[0] not in self.deleted
            for series in self.active(start, end)
        )
