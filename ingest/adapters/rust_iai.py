"""iai's console output: what Cachegrind counted, a benchmark's name above its five counts.

bench_fibonacci_short
  Instructions:                1735 (No change)
  L1 Accesses:                 2364
"""

from ingest.adapters import builtin_measures, metrics, numbers, text_lines
from ingest.adapters.results import Average, Metric, Results

AVERAGES: frozenset[Average] = frozenset()

_MEASURES = {
    measure.name: measure.slug
    for measure in (
        builtin_measures.INSTRUCTIONS,
        builtin_measures.L1_ACCESSES,
        builtin_measures.L2_ACCESSES,
        builtin_measures.RAM_ACCESSES,
        builtin_measures.ESTIMATED_CYCLES,
    )
}


def parse(text: str, average: Average | None = None) -> Results:
    """Read what iai prints."""
    results: Results = {}
    name = ""
    for line in text_lines.split(text):
        if not line.startswith(" "):
            name = line.strip()
            continue
        label, _, counted = line.strip().partition(":")
        measure = _MEASURES.get(label)
        # What follows the count compares it with the run before.
        count = numbers.read(counted.partition("(")[0].strip())
        if name and measure and count is not None:
            results.setdefault(name, {})[measure] = Metric(count)
    return metrics.at_least_one(results)
