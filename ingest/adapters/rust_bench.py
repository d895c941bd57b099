"""libtest's benchmarks: `cargo bench` on nightly Rust, and what imitates it.

    test name ... bench:       3,161.27 ns/iter (+/- 97.5) = 36 MB/s

The value is the median of the samples, the number in parentheses the distance between the
fastest and the slowest, in the value's unit. Latency in nanoseconds, bounds at that distance.
"""

from ingest.adapters import builtin_measures, metrics, numbers, text_lines, units
from ingest.adapters.results import Average, Metric, Results

AVERAGES = frozenset({Average.MEDIAN})

_PREFIX = "test "
_BENCH = "bench:"
_ITERATION = "/iter"


def parse(text: str, average: Average | None = None) -> Results:
    """Read libtest's output; ignored, failed and plain tests are passed over."""
    results: Results = {}
    for line in text_lines.split(text):
        if line.startswith(_PREFIX) and _BENCH in line:
            name, separator, measured = line.removeprefix(_PREFIX).rpartition(_BENCH)
            # A benchmark that prints may stand between its name and its result.
            name = name.partition(" ... ")[0].strip()
            metric = _metric(measured.split())
            if separator and name and metric:
                results[name] = {builtin_measures.LATENCY.slug: metric}
    return metrics.at_least_one(results)


def _metric(words: list[str]) -> Metric | None:
    """From `value unit/iter (+/- spread)`, whatever follows."""
    if len(words) < 4 or words[2] != "(+/-" or not words[1].endswith(_ITERATION):
        return None
    value = numbers.read_grouped(words[0])
    spread = numbers.read_grouped(words[3].removesuffix(")"))
    unit = words[1].removesuffix(_ITERATION)
    if value is None or spread is None or not units.is_time_unit(unit):
        return None
    scale = units.nanoseconds_in(unit)
    return metrics.with_spread(value * scale, spread * scale)
