"""What every adapter must do with any text: read it into storable results, or refuse it."""

import math
from pathlib import Path

from ingest.adapters import registry
from ingest.adapters.registry import Adapter
from ingest.adapters.results import AdapterError, Average

SAMPLES = Path(__file__).parents[2] / "data" / "tool_output"

# One adapter per parser, and magic, which tries them all.
PARSERS = [adapter for adapter in Adapter if adapter.normalized is adapter]

# The words that the formats hang on, to get past the first check of each.
WORDS = [
    *("test ", " ... ", "bench:", " ns/iter", "(+/- ", ")", "time:", "[", "]", " x ", "{", "}"),
    *(" ops/sec ", "\u00b1", "% (", "ns/op", "Benchmark", "(RunTime): ", " us.", ": ", "ms"),
    *("Instructions:", "a::b", "|", "======= ", "DRD", "[ 1.00%] \u00b7 ", "=== ===", "--- ---"),
    *("benchmark name ", "estimated", "-" * 79, "\n", "\n  ", "\r", "\x1b[", "m", "1", "2.5"),
    *("1,000", "1e999", "nan", "9" * 500, " ", "\0", "\ud800", "\u2028", "\u0661", '"', "\\"),
    *(":", ",", "null", "NaN", '"value"', '"benchmarks"', '"context"', "1:02.3 (m:ss.mmm)"),
]


def samples() -> list[Path]:
    """Return what real tools printed, a file each."""
    return [
        path
        for path in sorted(SAMPLES.rglob("*"))
        if path.is_file() and ".expected" not in path.suffixes and path.suffix != ".md"
    ]


def read_or_refuse(adapter: Adapter, text: str, average: Average | None) -> None:
    """Let an adapter read a text. Raises whatever else than a refusal or good results comes out."""
    try:
        results = registry.parse(adapter, text, average)
    except AdapterError:
        return
    for benchmark, measures in results.items():
        assert 1 <= len(benchmark.encode()) <= 1024
        assert benchmark == benchmark.strip()
        for measure, metric in measures.items():
            assert 1 <= len(measure.encode()) <= 64
            for number in (metric.value, metric.lower_value, metric.upper_value):
                assert number is None or (type(number) is float and math.isfinite(number))
