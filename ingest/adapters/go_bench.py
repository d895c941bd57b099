"""Go's benchmarks: `go test -bench`.

    BenchmarkFib10-8         5604217               210.2 ns/op     4.000 widgets/op

The name is kept with its suffix, the number of processors. Latency in nanoseconds is the number
before `ns/op`, without bounds; other metrics on the line are passed over.
"""

from ingest.adapters import builtin_measures, metrics, numbers, text_lines
from ingest.adapters.results import Average, Metric, Results

AVERAGES = frozenset({Average.MEAN})

_PREFIX = "Benchmark"
_UNIT = "ns/op"


def parse(text: str, average: Average | None = None) -> Results:
    """Read what `go test -bench` prints, with or without `-v`."""
    results: Results = {}
    for line in text_lines.split(text):
        if line.startswith(_PREFIX) and _UNIT in line:
            words = line.split()
            value = _latency(words[2:])
            if value is not None and words[1].isdecimal():
                results[words[0]] = {builtin_measures.LATENCY.slug: Metric(value)}
    return metrics.at_least_one(results)


def _latency(measured: list[str]) -> float | None:
    """The number before `ns/op` in a list of numbers and units."""
    for number, unit in zip(measured[::2], measured[1::2], strict=False):
        if unit == _UNIT:
            return numbers.read(number)
    return None
