"""`console.time` and `console.timeEnd`, as Node.js and browsers print them.

    fib(10): 12.345ms
    build: 1.102s
    all: 1:02.345 (m:ss.mmm)

Latency in nanoseconds, without bounds. Lines of `console.timeLog` with more behind the time are
passed over.
"""

from ingest.adapters import builtin_measures, metrics, numbers, text_lines, units
from ingest.adapters.results import Average, Metric, Results

AVERAGES: frozenset[Average] = frozenset()

_FIREFOX_END = " - timer ended"
_UNITS = ("ms", "s")
_MINUTES, _HOURS = " (m:ss.mmm)", " (h:mm:ss.mmm)"


def parse(text: str, average: Average | None = None) -> Results:
    """Read the lines of timers that ended."""
    results: Results = {}
    for line in text_lines.split(text):
        label, found, duration = line.rstrip().removesuffix(_FIREFOX_END).rpartition(": ")
        value = _nanoseconds(duration) if found else None
        if value is not None and label.strip():
            results[label.strip()] = {builtin_measures.LATENCY.slug: Metric(value)}
    return metrics.at_least_one(results)


def _nanoseconds(duration: str) -> float | None:
    for clock in (_MINUTES, _HOURS):
        if duration.endswith(clock):
            return _clock(duration.removesuffix(clock).split(":"), parts=clock.count(":") + 1)
    for unit in _UNITS:
        if duration.endswith(unit):
            return units.read_nanoseconds(duration.removesuffix(unit).rstrip(), unit)
    return None


def _clock(words: list[str], parts: int) -> float | None:
    """From hours, minutes and seconds, the first of which may be missing."""
    values = [numbers.read(word) for word in words]
    if len(values) != parts:
        return None
    seconds = 0.0
    for value in values:
        if value is None:
            return None
        seconds = seconds * 60 + value
    return seconds * units.NANOSECONDS_PER_SECOND
