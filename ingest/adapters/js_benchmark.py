"""Benchmark.js's cycle lines.

    fib(10) x 1,431,759 ops/sec ±0.74% (93 runs sampled)

Throughput in operations per second, the relative margin of error as bounds.
"""

from ingest.adapters import builtin_measures, metrics, numbers, text_lines
from ingest.adapters.results import Average, Metric, Results

AVERAGES = frozenset({Average.MEDIAN})

_OPERATIONS = " ops/sec "
_TIMES = " x "
_PLUS_MINUS = "\N{PLUS-MINUS SIGN}"


def parse(text: str, average: Average | None = None) -> Results:
    """Read what a Benchmark.js suite prints for each cycle."""
    results: Results = {}
    for line in text_lines.split(text):
        before, found, after = line.rpartition(_OPERATIONS)
        if found:
            name, _, rate = before.rpartition(_TIMES)  # a name may hold an x of its own
            metric = _metric(rate, after)
            if metric and name.strip():
                results[name.strip()] = {builtin_measures.THROUGHPUT.slug: metric}
    return metrics.at_least_one(results)


def _metric(rate: str, rest: str) -> Metric | None:
    """From the rate and `±percent% (n runs sampled)`."""
    percent, found, _ = rest.removeprefix(_PLUS_MINUS).partition("% (")
    value, margin = numbers.read_grouped(rate.strip()), numbers.read(percent)
    if not found or value is None or margin is None:
        return None
    return metrics.with_spread(value, value * (margin / 100))
