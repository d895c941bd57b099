"""Google Benchmark's JSON (`--benchmark_format=json` or `--benchmark_out`).

Latency in nanoseconds: `real_time` in the benchmark's `time_unit`, without bounds. With
repetitions the tool adds aggregates: then their mean is the value and their standard deviation
gives the bounds, under the name of the benchmark; the other aggregates are passed over.
"""

from typing import Any

import msgspec

from ingest.adapters import builtin_measures, json_text, metrics, units
from ingest.adapters.results import Average, Results

AVERAGES = frozenset({Average.MEAN})


class _Benchmark(msgspec.Struct, gc=False):
    name: str
    # Complexity (BigO, RMS) has no real time, RMS no unit.
    real_time: float | None = None
    time_unit: str = "ns"
    run_name: str = ""
    run_type: str = "iteration"
    aggregate_name: str = ""
    error_occurred: bool = False
    skipped: bool = False


class _Report(msgspec.Struct, gc=False):
    context: dict[str, Any]
    benchmarks: list[_Benchmark]


_DECODER = msgspec.json.Decoder(_Report)


def parse(text: str, average: Average | None = None) -> Results:
    """Read Google Benchmark's report; benchmarks that failed or were skipped are left out."""
    # A counter or a coefficient of variation may be a bare NaN.
    report = json_text.decode_allowing_nan(_DECODER, text)
    times = {
        (benchmark.run_name or benchmark.name, benchmark.aggregate_name): _nanoseconds(benchmark)
        for benchmark in report.benchmarks
        if not (benchmark.error_occurred or benchmark.skipped)
    }
    results: Results = {}
    for benchmark in report.benchmarks:
        name = benchmark.run_name or benchmark.name
        mean = times.get((name, "mean"), times.get((name, "")))
        if mean is not None:
            metric = metrics.with_spread(mean, times.get((name, "stddev")))
            results[name] = {builtin_measures.LATENCY.slug: metric}
    return metrics.at_least_one(results)


def _nanoseconds(benchmark: _Benchmark) -> float | None:
    if benchmark.real_time is None:
        return None
    return benchmark.real_time * units.nanoseconds_in(benchmark.time_unit)
