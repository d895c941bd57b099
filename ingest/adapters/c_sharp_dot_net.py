"""BenchmarkDotNet's JSON report (`JsonExporter`, brief or full).

The name is `Namespace.Method`. Latency in nanoseconds: mean with the standard deviation as
bounds, or median with the interquartile range. With the memory diagnoser also the bytes
allocated per operation, the collections of each generation and the number of operations.
"""

import math

import msgspec

from ingest.adapters import builtin_measures, json_text, metrics
from ingest.adapters.results import Average, Metric, Results

AVERAGES = frozenset(Average)


class _Statistics(msgspec.Struct, gc=False, rename="pascal"):
    mean: float
    median: float
    standard_deviation: float
    interquartile_range: float


class _Memory(msgspec.Struct, gc=False, rename="pascal"):
    bytes_allocated_per_operation: float | None = None
    gen0_collections: float | None = None
    gen1_collections: float | None = None
    gen2_collections: float | None = None
    total_operations: float | None = None


class _Benchmark(msgspec.Struct, gc=False, rename="pascal"):
    method: str
    namespace: str | None = None
    # Null when the benchmark failed.
    statistics: _Statistics | None = None
    memory: _Memory | None = None


class _Report(msgspec.Struct, gc=False, rename="pascal"):
    benchmarks: list[_Benchmark]


_DECODER = msgspec.json.Decoder(_Report)


def parse(text: str, average: Average | None = None) -> Results:
    """Read a BenchmarkDotNet report; mean unless the median is asked for."""
    # Older versions write NaN for statistics that too few samples do not allow.
    report = json_text.decode_allowing_nan(_DECODER, text)
    results: Results = {}
    for benchmark in report.benchmarks:
        if benchmark.statistics is not None:
            name = ".".join(filter(None, (benchmark.namespace, benchmark.method)))
            results[name] = {
                builtin_measures.LATENCY.slug: _latency(benchmark.statistics, average),
                **_memory(benchmark.memory),
            }
    return metrics.at_least_one(results)


def _latency(statistics: _Statistics, average: Average | None) -> Metric:
    if average is Average.MEDIAN:
        value, spread = statistics.median, statistics.interquartile_range
    else:
        value, spread = statistics.mean, statistics.standard_deviation
    return metrics.with_spread(value, None if math.isnan(spread) else spread)


def _memory(memory: _Memory | None) -> dict[str, Metric]:
    if memory is None:
        return {}
    counted = (
        (builtin_measures.ALLOCATED, memory.bytes_allocated_per_operation),
        (builtin_measures.GEN0_COLLECTS, memory.gen0_collections),
        (builtin_measures.GEN1_COLLECTS, memory.gen1_collections),
        (builtin_measures.GEN2_COLLECTS, memory.gen2_collections),
        (builtin_measures.TOTAL_OPERATIONS, memory.total_operations),
    )
    return {measure.slug: Metric(value) for measure, value in counted if value is not None}
