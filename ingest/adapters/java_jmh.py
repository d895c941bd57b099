"""JMH's JSON report (`-rf json`).

The name is the method's full name. The score is a mean, its confidence interval the bounds.
A unit of time per operation is latency in nanoseconds, operations per unit of time throughput
per second. Secondary metrics and parameters are passed over.
"""

import msgspec

from ingest.adapters import builtin_measures, json_text, metrics, units
from ingest.adapters.results import AdapterError, Average, Metric, Results

AVERAGES = frozenset({Average.MEAN})

_PER_OPERATION = "/op"
_OPERATIONS_PER = "ops/"


class _Metric(msgspec.Struct, gc=False):
    score: float
    scoreUnit: str  # noqa: N815 (the name in the report)
    # One iteration has no error: JMH then writes "NaN" as text.
    scoreConfidence: tuple[float | str, float | str]  # noqa: N815


class _Benchmark(msgspec.Struct, gc=False):
    benchmark: str
    primaryMetric: _Metric  # noqa: N815


_DECODER = msgspec.json.Decoder(list[_Benchmark])


def parse(text: str, average: Average | None = None) -> Results:
    """Read a JMH report."""
    benchmarks = json_text.decode_allowing_nan(_DECODER, text)
    return metrics.at_least_one(
        {benchmark.benchmark: _measures(benchmark.primaryMetric) for benchmark in benchmarks}
    )


def _measures(primary: _Metric) -> dict[str, Metric]:
    unit = primary.scoreUnit
    if unit.endswith(_PER_OPERATION):
        scale = units.nanoseconds_in(unit.removesuffix(_PER_OPERATION))
        measure = builtin_measures.LATENCY
    elif unit.startswith(_OPERATIONS_PER):
        scale = units.per_second(1.0, unit.removeprefix(_OPERATIONS_PER))
        measure = builtin_measures.THROUGHPUT
    else:
        raise AdapterError(f"unknown score unit {unit[:20]!r}")
    return {measure.slug: metrics.scaled(primary.score, scale, *_bounds(primary))}


def _bounds(primary: _Metric) -> tuple[float | None, float | None]:
    lower, upper = primary.scoreConfidence
    if isinstance(lower, str) or isinstance(upper, str):
        return None, None
    return lower, upper
