"""Dart's benchmark_harness.

    Template(RunTime): 1.0 us.

Latency in nanoseconds, without bounds. Scores other than the run time are passed over.
"""

from ingest.adapters import builtin_measures, metrics, text_lines, units
from ingest.adapters.results import Average, Metric, Results

AVERAGES = frozenset({Average.MEAN})

_RUN_TIME = "(RunTime):"


def parse(text: str, average: Average | None = None) -> Results:
    """Read the scores that benchmark_harness prints."""
    results: Results = {}
    for line in text_lines.split(text):
        name, found, score = line.rpartition(_RUN_TIME)
        words = score.rstrip(". \t").split()
        value = units.read_nanoseconds(*words) if len(words) == 2 else None
        if found and name.strip() and value is not None:
            results[name.strip()] = {builtin_measures.LATENCY.slug: Metric(value)}
    return metrics.at_least_one(results)
