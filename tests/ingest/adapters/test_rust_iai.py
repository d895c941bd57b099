"""iai."""

from ingest.adapters.registry import Adapter
from tests.ingest.adapters.reading import measured


class TestParse:
    def test_passes_over_the_comparison_with_the_last_run(self) -> None:
        text = (
            "bench_fib\n"
            "  Instructions:                1735 (No change)\n"
            "  Estimated Cycles:            2404 (+12.5%)\n"
        )

        assert measured(Adapter.RUST_IAI, text) == {
            "bench_fib": {
                "instructions": (1735.0, None, None),
                "estimated-cycles": (2404.0, None, None),
            }
        }

    def test_passes_over_counts_without_a_name(self) -> None:
        text = "\n  Instructions: 1\nbench_fib\n  Instructions: 2\n  Something Else: 3\n"

        assert measured(Adapter.RUST_IAI, text) == {
            "bench_fib": {"instructions": (2.0, None, None)}
        }
