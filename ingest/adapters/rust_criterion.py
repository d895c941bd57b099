"""Criterion.rs's console output.

    name                    time:   [320.62 ps 323.90 ps 327.55 ps]

The middle number is the estimate, the outer ones its confidence interval, each with its own
unit. Latency in nanoseconds. A name of more than 23 characters stands alone on the line before.
Throughput and the change since the last run are passed over.
"""

from ingest.adapters import builtin_measures, metrics, text_lines, units
from ingest.adapters.results import Average, Metric, Results

AVERAGES = frozenset({Average.MEAN})

_TIME = "time:"


def parse(text: str, average: Average | None = None) -> Results:
    """Read what Criterion.rs prints."""
    results: Results = {}
    previous = ""
    for line in text_lines.split(text):
        before, found, after = line.rpartition(_TIME)
        metric = _metric(after) if found else None
        if metric:
            name = before.strip() or previous
            if name:
                results[name] = {builtin_measures.LATENCY.slug: metric}
        # What is indented belongs to the benchmark before it.
        previous = "" if line.startswith(" ") else line.strip()
    return metrics.at_least_one(results)


def _metric(interval: str) -> Metric | None:
    """From `[lower unit estimate unit upper unit]`; the change is in percent and no metric."""
    words = interval.strip()
    if not (words.startswith("[") and words.endswith("]")):
        return None
    parts = words[1:-1].split()
    if len(parts) != 6:
        return None
    lower, value, upper = (units.read_nanoseconds(*parts[i : i + 2]) for i in (0, 2, 4))
    if lower is None or value is None or upper is None:
        return None
    return Metric(value=value, lower_value=lower, upper_value=upper)
