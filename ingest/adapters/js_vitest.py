"""Vitest's benchmark report (`vitest bench --run --outputJson`).

The name is the group's full name (file and suites), then the benchmark's. Latency in
nanoseconds (the report has milliseconds): mean with the standard deviation as bounds, or median
without bounds. Throughput in operations per second, the relative margin of error as bounds,
whichever average is asked for: the report has no other.
"""

import msgspec

from ingest.adapters import builtin_measures, json_text, metrics, names
from ingest.adapters.results import Average, Metric, Results
from ingest.adapters.units import NANOSECONDS_PER_MILLISECOND

AVERAGES = frozenset(Average)


class _Benchmark(msgspec.Struct, gc=False):
    name: str
    # All absent when the benchmark threw.
    hz: float | None = None
    rme: float | None = None
    mean: float | None = None
    sd: float | None = None
    median: float | None = None


class _Group(msgspec.Struct, gc=False):
    fullName: str  # noqa: N815 (the name in the report)
    benchmarks: list[_Benchmark]


class _File(msgspec.Struct, gc=False):
    groups: list[_Group]


class _Report(msgspec.Struct, gc=False):
    files: list[_File]


_DECODER = msgspec.json.Decoder(_Report)


def parse(text: str, average: Average | None = None) -> Results:
    """Read a Vitest report; mean unless the median is asked for."""
    report = json_text.decode(_DECODER, text)
    results: Results = {}
    for file in report.files:
        for group in file.groups:
            for benchmark in group.benchmarks:
                measures = _measures(benchmark, average)
                if measures:
                    parts = (group.fullName.strip(), benchmark.name.strip())
                    results[names.join(" > ", parts)] = measures
    return metrics.at_least_one(results)


def _measures(benchmark: _Benchmark, average: Average | None) -> dict[str, Metric]:
    latency = _latency(benchmark, average)
    throughput = _throughput(benchmark)
    if latency is None or throughput is None:
        return {}
    return {
        builtin_measures.LATENCY.slug: latency,
        builtin_measures.THROUGHPUT.slug: throughput,
    }


def _latency(benchmark: _Benchmark, average: Average | None) -> Metric | None:
    if average is Average.MEDIAN:
        value, spread = benchmark.median, None
    else:
        value, spread = benchmark.mean, benchmark.sd
    if value is None:
        return None
    return metrics.with_spread(
        value * NANOSECONDS_PER_MILLISECOND,
        None if spread is None else spread * NANOSECONDS_PER_MILLISECOND,
    )


def _throughput(benchmark: _Benchmark) -> Metric | None:
    if benchmark.hz is None:
        return None
    rme = benchmark.rme
    return metrics.with_spread(benchmark.hz, None if rme is None else benchmark.hz * (rme / 100))
