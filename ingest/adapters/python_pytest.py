"""pytest-benchmark's JSON report (`--benchmark-json`).

The name is the test's `fullname`. Latency in nanoseconds (the report has seconds): mean with
the standard deviation as bounds, or median with the interquartile range.
"""

from typing import Any

import msgspec

from ingest.adapters import builtin_measures, json_text, metrics
from ingest.adapters.results import Average, Metric, Results
from ingest.adapters.units import NANOSECONDS_PER_SECOND

AVERAGES = frozenset(Average)


class _Stats(msgspec.Struct, gc=False):
    mean: float
    stddev: float
    median: float
    iqr: float


class _Benchmark(msgspec.Struct, gc=False):
    fullname: str
    stats: _Stats


class _Report(msgspec.Struct, gc=False):
    # Both are always there, and tell this report from other tools' objects with benchmarks.
    machine_info: dict[str, Any]
    commit_info: dict[str, Any]
    benchmarks: list[_Benchmark]


_DECODER = msgspec.json.Decoder(_Report)


def parse(text: str, average: Average | None = None) -> Results:
    """Read a pytest-benchmark report; mean unless the median is asked for."""
    report = json_text.decode_allowing_nan(_DECODER, text)
    return metrics.at_least_one(
        {
            benchmark.fullname: {builtin_measures.LATENCY.slug: _latency(benchmark.stats, average)}
            for benchmark in report.benchmarks
        }
    )


def _latency(stats: _Stats, average: Average | None) -> Metric:
    if average is Average.MEDIAN:
        value, spread = stats.median, stats.iqr
    else:
        value, spread = stats.mean, stats.stddev
    return metrics.with_spread(value * NANOSECONDS_PER_SECOND, spread * NANOSECONDS_PER_SECOND)
