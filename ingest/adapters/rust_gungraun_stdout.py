"""gungraun's console output (formerly iai-callgrind).

    rust_iai_callgrind::bench_fibonacci_group::bench_fibonacci short:10
      ======= CALLGRIND ====================================================
      Instructions:                1734|1650            (+5.09090%) [+1.04844x]

The name is the line at the margin that begins with a path, with the lines after it if an
argument holds line ends. Of `new|old` the new number counts. The tool's heading says whose
errors are counted.
"""

from dataclasses import dataclass, field

from ingest.adapters import gungraun_measures, metrics, names, numbers, text_lines
from ingest.adapters.results import Average, Metric, Results

AVERAGES: frozenset[Average] = frozenset()

_PATH = "::"
_TOOL = "======= "


def parse(text: str, average: Average | None = None) -> Results:
    """Read what gungraun prints; numbers that it does not know as measures are passed over."""
    report = _Report()
    for line in text_lines.split(text):
        report.read(line)
    return metrics.at_least_one(report.results)


@dataclass(slots=True)
class _Report:
    results: Results = field(default_factory=dict)
    name_lines: list[str] = field(default_factory=list)
    name: str = ""
    tool: str = ""

    def read(self, line: str) -> None:
        if not line.strip():
            self.name_lines, self.name = [], ""
        elif not line.startswith(" "):
            self._name_line(line)
        elif self.name_lines or self.name:
            self._indented(line.strip())

    def _name_line(self, line: str) -> None:
        self.name = ""
        if self.name_lines or _PATH in line.partition(" ")[0]:
            self.name_lines.append(line)

    def _indented(self, line: str) -> None:
        if self.name_lines:  # the name is complete
            self.name = names.join("\n", self.name_lines).strip()
            self.name_lines, self.tool = [], ""
        if line.startswith(_TOOL):
            self.tool = line.removeprefix(_TOOL).partition(" ")[0]
            return
        word, _, counted = line.partition(":")
        slug = gungraun_measures.slug(self.tool, word)
        value = numbers.read(counted.partition("|")[0].strip()) if "|" in counted else None
        if slug is not None and value is not None:
            self.results.setdefault(self.name, {})[slug] = Metric(value)
