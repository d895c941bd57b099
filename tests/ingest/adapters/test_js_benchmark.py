"""Benchmark.js."""

from ingest.adapters.registry import Adapter
from tests.ingest.adapters.reading import measured


class TestParse:
    def test_passes_over_other_lines(self) -> None:
        text = "\n".join(
            [
                "good x 50.00 ops/sec \u00b11.00% (1 run sampled)\r",
                "throws: ",
                "Fastest is good",
                "no margin x 50 ops/sec",
                "no rate x fast ops/sec \u00b11.00% (96 runs sampled)",
                "badly grouped x 1,5 ops/sec \u00b11.00% (96 runs sampled)",
                " x 5 ops/sec \u00b11.00% (96 runs sampled)",
            ]
        )

        assert measured(Adapter.JS_BENCHMARK, text) == {"good": {"throughput": (50.0, 49.5, 50.5)}}
