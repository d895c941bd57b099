"""What an outsider knows who wrote down every request and every answer.

It shares no code and no SQL with the product. What it can't know it leaves open: whether a report
is there that was never answered, and when a report counts that came while its period was closed.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import inf
from typing import Any

from tests.chaos.journal import Line

Series = tuple[str, str, str, str]


@dataclass
class Report:
    """A report as CI knows it."""

    key: str
    organization: str
    project: str
    testbed: str
    results: dict[str, dict[str, Any]]
    end_time: datetime
    first_sent_at: float
    uuid: str = ""
    received_at: datetime | None = None
    answered_at: float = inf

    @property
    def is_acknowledged(self) -> bool:
        """Tell whether CI was told that it is stored."""
        return self.uuid != ""

    @property
    def series(self) -> frozenset[Series]:
        """Return the series that it shows."""
        return frozenset(
            (self.project, self.testbed, benchmark, measure)
            for benchmark, measures in self.results.items()
            for measure in measures
        )

    @property
    def content(self) -> tuple[int, int]:
        """Return how many values it has, and their sum."""
        values = [value["value"] for row in self.results.values() for value in row.values()]
        return len(values), sum(values)


@dataclass(frozen=True)
class Closing:
    """When a period of an organization may have been closed: not before, and not after."""

    end: datetime
    not_before: float
    not_after: float


@dataclass
class Outsider:
    """Reports by key, how visibility was flipped, and when periods may have been closed."""

    reports: dict[str, Report] = field(default_factory=dict)
    private: dict[str, bool] = field(default_factory=dict)
    flips: dict[str, list[bool]] = field(default_factory=lambda: defaultdict(list))
    flipped_at: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    closings: dict[str, list[Closing]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    wrongs: list[str] = field(default_factory=list)

    def read_load(self, lines: Sequence[Line]) -> None:
        """Take in what CI and leaders wrote down."""
        for line in lines:
            self.counts[line["kind"]] += 1
            match line["kind"]:
                case "sent":
                    self._sent(line)
                case "acknowledged":
                    self._acknowledged(line)
                case "flipped":
                    self.flips[line["project"]].append(line["private"])
                    self.flipped_at[line["project"]].append(line["at"])
                case "refused" | "unanswered" | "flip refused":
                    self.wrongs.append(f"{line['kind']}: {line}")

    def _sent(self, line: Line) -> None:
        self.reports.setdefault(
            line["key"],
            Report(
                key=line["key"],
                organization=line["organization"],
                project=line["project"],
                testbed=line["testbed"],
                results=line["results"],
                end_time=datetime.fromisoformat(line["end_time"]),
                first_sent_at=line["at"],
            ),
        )

    def _acknowledged(self, line: Line) -> None:
        report = self.reports[line["key"]]
        received_at = datetime.fromisoformat(line["received_at"])
        if report.is_acknowledged:
            self.counts["repeated"] += 1
            if (report.uuid, report.received_at) != (line["uuid"], received_at):
                self.wrongs.append(f"report {report.key}: the repeat was answered otherwise")
            return
        report.uuid, report.received_at, report.answered_at = line["uuid"], received_at, line["at"]

    def read_time(self, lines: Sequence[Line]) -> None:
        """Take in what was written down about the ends of periods."""
        found: dict[tuple[str, int], dict[str, float]] = defaultdict(dict)
        for line in lines:
            self.counts[line["kind"]] += 1
            if line["kind"] in ("closable", "closed"):
                found[line["organization"], line["end"]][line["kind"]] = line["at"]
        for (organization, end), at in sorted(found.items()):
            self.closings.setdefault(organization, []).append(
                Closing(datetime.fromtimestamp(end, UTC), at["closable"], at.get("closed", inf))
            )

    def instants(self, report: Report, *, fence: datetime, received_at: datetime) -> set[datetime]:
        """Return the instants at which a report may count: one, unless it came during a closing.

        `fence` is the start of the organization's first period. A report counts when it ended;
        where that lies ahead of its receipt or before what is closed, at the later of receipt and
        fence.
        """
        return {
            report.end_time if at <= report.end_time <= received_at else max(at, received_at)
            for at in self._fences(report, first=fence)
        }

    def _fences(self, report: Report, *, first: datetime) -> Iterator[datetime]:
        """Yield where the fence may have been when a report was stored."""
        least = first
        for closing in self.closings.get(report.organization, []):
            if closing.not_after <= report.first_sent_at:
                least = max(least, closing.end)
        yield least
        for closing in self.closings.get(report.organization, []):
            if closing.end > least and closing.not_before < report.answered_at:
                yield closing.end

    def was_private(self, project: str, *, organization: str, end: datetime) -> bool:
        """Tell whether a project was private when the period that ended then was closed."""
        closed_from = next(
            (one.not_before for one in self.closings.get(organization, []) if one.end == end), inf
        )
        private = self.private[project]
        for at, becomes in zip(self.flipped_at[project], self.flips[project], strict=True):
            if at < closed_from:
                private = becomes
        return private
