"""The tables of Ruby's Benchmark module (`bm`, `bmbm`, `benchmark`).

                user     system      total        real
    sort!   1.460000   0.000000   1.460000 (  1.460465)

Latency in nanoseconds is the real time, the number of seconds in parentheses; no bounds. `bmbm`
prints a rehearsal first: the later line of the same label counts. Lines without a label name no
benchmark.
"""

from ingest.adapters import builtin_measures, metrics, numbers, text_lines
from ingest.adapters.results import Average, Metric, Results
from ingest.adapters.units import NANOSECONDS_PER_SECOND

AVERAGES: frozenset[Average] = frozenset()


def parse(text: str, average: Average | None = None) -> Results:
    """Read the tables of Ruby's Benchmark module."""
    results: Results = {}
    for line in text_lines.split(text):
        times, found, rest = line.rstrip().rpartition("(")
        if found and rest.endswith(")"):
            label = _label(times)
            real = numbers.read(rest.removesuffix(")").strip())
            if label and real is not None:
                metric = Metric(real * NANOSECONDS_PER_SECOND)
                results[label] = {builtin_measures.LATENCY.slug: metric}
    return metrics.at_least_one(results)


def _label(times: str) -> str | None:
    """What stands before user, system and total time, if they are there."""
    words = times.rsplit(maxsplit=3)
    if len(words) != 4 or any(numbers.read(word) is None for word in words[1:]):
        return None
    return words[0].strip()
