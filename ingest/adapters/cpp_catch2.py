"""Catch2's console reporter, versions 2 and 3.

    Fibonacci                                   the test case, sections indented below it
    -------------------------------------------
    benchmark name         samples    iterations    estimated
                           mean       low mean      high mean
                           std dev    low std dev   high std dev
    -------------------------------------------
    Fibonacci 10           100        76353         144.73 us
                           245.2 ns   242.22 ns     253.459 ns
                           5.3999 ns  0.119487 ns   6.78348 ns

The name is `test case: section: benchmark`. Latency in nanoseconds: the mean, its confidence
interval as bounds. Without analysis (`--benchmark-no-analysis`) the mean stands in the first
line, and there are no bounds.
"""

from dataclasses import dataclass, field

from ingest.adapters import builtin_measures, metrics, names, text_lines, units
from ingest.adapters.results import AdapterError, Average, Metric, Results

AVERAGES = frozenset({Average.MEAN})

_TABLE_HEAD = "benchmark name "
_FAILED = "Benchmark failed"
_SECTION_INDENT = "  "


def parse(text: str, average: Average | None = None) -> Results:
    """Read what Catch2 prints; failed benchmarks are left out."""
    if _TABLE_HEAD not in text:
        raise AdapterError("no table of benchmarks found")
    report = _Report()
    for line in text_lines.split(text):
        report.read(line)
    return metrics.at_least_one(report.results)


@dataclass(slots=True)
class _Report:
    """What the lines so far mean for the next. Rules of hyphens enclose headings and tables."""

    results: Results = field(default_factory=dict)
    path: str = ""
    heading: list[str] | None = None
    head: str = ""
    in_table: bool = False
    with_analysis: bool = True
    name: list[str] = field(default_factory=list)
    measured: str = ""

    def read(self, line: str) -> None:
        if line.startswith("----") and not line.strip().strip("-"):
            self._rule()
        elif line.startswith(_TABLE_HEAD):
            self.head, self.in_table, self.heading = line, False, None
        elif self.heading is not None:
            self.heading.append(line.rstrip())
        elif self.in_table:
            self._row(line.strip())

    def _rule(self) -> None:
        if self.head:
            self.in_table, self.with_analysis = True, "estimated" in self.head
            self.head, self.name, self.measured = "", [], ""
        elif self.heading is None:
            self.in_table, self.heading = False, []
        else:
            self.path, self.heading = _path(self.heading), None

    def _row(self, line: str) -> None:
        if not line or _FAILED in line:
            self.name, self.measured = [], ""
        elif self.measured:
            self._add(_interval(line))
        elif (row := _row_end(line)) is not None:
            name, metric = row
            self.measured = names.join(" ", [self.path, *self.name, name])
            if not self.with_analysis:
                self._add(metric)
        elif _interval(line) is None:  # the third line of a benchmark is its deviation
            self.name.append(line)

    def _add(self, metric: Metric | None) -> None:
        if metric is not None:
            self.results[self.measured] = {builtin_measures.LATENCY.slug: metric}
        self.name, self.measured = [], ""


def _path(heading: list[str]) -> str:
    """The test case and its sections, each with a colon behind it. Long ones were wrapped."""
    parts: list[list[str]] = []
    for line in heading:
        stripped = line.removeprefix(_SECTION_INDENT)
        if not parts or (stripped != line and not stripped.startswith(" ")):
            parts.append([])
        parts[-1].append(stripped.strip())
    return " ".join(f"{names.join(' ', part)}:" for part in parts)


def _row_end(line: str) -> tuple[str, Metric] | None:
    """The last part of the name, before samples, iterations and a time; and that time."""
    words = line.rsplit(maxsplit=4)
    if len(words) != 5 or not (words[1].isdecimal() and words[2].isdecimal()):
        return None
    time = units.read_nanoseconds(words[3], words[4])
    return None if time is None else (words[0], Metric(time))


def _interval(line: str) -> Metric | None:
    """From `mean unit low unit high unit`."""
    words = line.split(maxsplit=6)
    if len(words) != 6:
        return None
    mean, low, high = (units.read_nanoseconds(*words[i : i + 2]) for i in (0, 2, 4))
    if mean is None or low is None or high is None:
        return None
    return Metric(value=mean, lower_value=low, upper_value=high)
