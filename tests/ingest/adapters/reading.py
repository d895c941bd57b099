"""Shorthand to read a text with one adapter and compare plain numbers."""

from ingest.adapters import registry
from ingest.adapters.registry import Adapter
from ingest.adapters.results import Average

Numbers = tuple[float, float | None, float | None]


def measured(
    adapter: Adapter, text: str, average: Average | None = None
) -> dict[str, dict[str, Numbers]]:
    """Benchmark -> measure -> (value, lower bound, upper bound)."""
    return {
        benchmark: {
            measure: (metric.value, metric.lower_value, metric.upper_value)
            for measure, metric in measures.items()
        }
        for benchmark, measures in registry.parse(adapter, text, average).items()
    }


def latencies(adapter: Adapter, text: str, average: Average | None = None) -> dict[str, Numbers]:
    """Benchmark -> latency, for output in which latency is all there is."""
    results = measured(adapter, text, average)
    assert all(measures.keys() == {"latency"} for measures in results.values())
    return {benchmark: measures["latency"] for benchmark, measures in results.items()}
