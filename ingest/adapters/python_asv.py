"""asv's console output (`asv run`).

    [ 50.00%] ··· fib.TimeFib.time_fib_15                          74.4±0.1μs

Latency in nanoseconds: the median of the samples, half their interquartile range as bounds. A
benchmark with parameters is printed as a table; each of its cells becomes a benchmark named as
asv does elsewhere, `name(first, second)`. Only times are read: memory and tracked numbers carry
no spread, and their units are not told.
"""

from itertools import chain

from ingest.adapters import asv_table, builtin_measures, metrics, names, numbers, text_lines, units
from ingest.adapters.results import Average, Metric, Results

AVERAGES = frozenset({Average.MEDIAN})

# Written ~ on terminals without Unicode, as the bullets are written with hyphens.
_PLUS_MINUS = ("\N{PLUS-MINUS SIGN}", "~", "+-")
_BULLETS = "\N{MIDDLE DOT}- "
_UNIT_LETTERS = "mnsu\N{MICRO SIGN}\N{GREEK SMALL LETTER MU}"


def parse(text: str, average: Average | None = None) -> Results:
    """Read what `asv run` prints; failed and skipped benchmarks are left out."""
    results: Results = {}
    lines = text_lines.split(text)
    name = ""
    for i, line in enumerate(lines):
        entry = _entry(line)
        if asv_table.is_border(entry):
            for row, column, cell in asv_table.cells(lines, i):
                _add(results, name, cell, row, column)
        elif entry:
            name, _, value = entry.partition(" ")
            _add(results, name, value.strip())
    return metrics.at_least_one(results)


def _entry(line: str) -> str:
    """What follows the progress and the bullets, or nothing."""
    found = line.startswith("[") and line.partition("%] ")[2]
    return found.lstrip(_BULLETS).rstrip() if found else ""


def _add(results: Results, name: str, value: str, *parameters: list[str]) -> None:
    metric = _metric(value)
    if name and metric:
        listed = names.join(", ", chain.from_iterable(parameters))
        full_name = names.join("", [name, "(", listed, ")"]) if listed else name
        results[full_name] = {builtin_measures.LATENCY.slug: metric}


def _metric(text: str) -> Metric | None:
    """From a value, a spread and the unit of both, as in `74.4±0.1μs`."""
    sign = next((sign for sign in _PLUS_MINUS if sign in text), None)
    if sign is None:
        return None
    first, _, second = text.partition(sign)
    digits = second.rstrip(_UNIT_LETTERS)
    unit = second[len(digits) :]
    value, spread = numbers.read(first), numbers.read(digits)
    if value is None or spread is None or not units.is_time_unit(unit):
        return None
    scale = units.nanoseconds_in(unit)
    return metrics.with_spread(value * scale, spread * scale)
