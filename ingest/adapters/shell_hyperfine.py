"""hyperfine's JSON report (`--export-json`).

The name is the command, or the name given to it. Latency in nanoseconds (the report has
seconds): mean with the standard deviation as bounds, none after a single run; or median with
the fastest and the slowest run.
"""

import msgspec

from ingest.adapters import builtin_measures, json_text, metrics
from ingest.adapters.results import Average, Metric, Results
from ingest.adapters.units import NANOSECONDS_PER_SECOND

AVERAGES = frozenset(Average)


class _Command(msgspec.Struct, gc=False):
    command: str
    mean: float
    stddev: float | None
    median: float
    min: float
    max: float


class _Report(msgspec.Struct, gc=False):
    results: list[_Command]


_DECODER = msgspec.json.Decoder(_Report)


def parse(text: str, average: Average | None = None) -> Results:
    """Read a hyperfine report; mean unless the median is asked for."""
    report = json_text.decode(_DECODER, text)
    return metrics.at_least_one(
        {
            command.command.strip(): {builtin_measures.LATENCY.slug: _latency(command, average)}
            for command in report.results
        }
    )


def _latency(command: _Command, average: Average | None) -> Metric:
    if average is Average.MEDIAN:
        return metrics.scaled(command.median, NANOSECONDS_PER_SECOND, command.min, command.max)
    spread = None if command.stddev is None else command.stddev * NANOSECONDS_PER_SECOND
    return metrics.with_spread(command.mean * NANOSECONDS_PER_SECOND, spread)
