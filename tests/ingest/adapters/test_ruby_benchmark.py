"""Ruby's Benchmark module."""

from ingest.adapters.registry import Adapter
from tests.ingest.adapters.reading import latencies


class TestParse:
    def test_passes_over_lines_without_a_label_or_a_time(self) -> None:
        text = "\n".join(
            [
                "   0.015257   0.000000   0.015257 (  0.015557)",
                "only two 0.015257   0.000000 (  0.015557)",
                "             (*********)",
                "real is no number 0.1   0.2   0.3 (  fast)",
                "good (really)  0.1   0.2   0.3 (  2.000000)\r",
                "open 0.1   0.2   0.3 (  2.000000",
            ]
        )

        assert latencies(Adapter.RUBY_BENCHMARK, text) == {"good (really)": (2e9, None, None)}
