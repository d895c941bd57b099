"""Go's benchmarks."""

import pytest

from ingest.adapters.registry import Adapter
from tests.ingest.adapters.reading import latencies


class TestParse:
    @pytest.mark.parametrize(
        "line",
        [
            "BenchmarkFib-8 100 12.5 ns/op",
            "BenchmarkFib-8   \t  100\t        12.5 ns/op\t     8 B/op\t  1 allocs/op\r",
            "BenchmarkFib-8 100 4.000 widgets/op 12.5 ns/op",
            "BenchmarkFib-8 100 12.5 ns/op 540.45 MB/s 3 bogus",
        ],
    )
    def test_reads_the_number_before_its_unit(self, line: str) -> None:
        assert latencies(Adapter.GO_BENCH, line) == {"BenchmarkFib-8": (12.5, None, None)}

    def test_passes_over_other_lines(self) -> None:
        text = "\n".join(
            [
                "BenchmarkVerbose",
                "Benchmarkns/op",
                "Benchmark ns/op",
                "BenchmarkOwnMetric-8 100 42.00 widgets",
                "BenchmarkNoCount-8 12.5 ns/op",
                "BenchmarkWordCount-8 many 12.5 ns/op",
                "BenchmarkWord-8 100 fast ns/op",
                "--- BENCH: BenchmarkLogs-8 100 12.5 ns/op",
                "    fib_test.go:47: BenchmarkLog-8 100 12.5 ns/op",
                "BenchmarkGood 1 0.0000001 ns/op",
            ]
        )

        assert latencies(Adapter.GO_BENCH, text) == {"BenchmarkGood": (1e-7, None, None)}

    def test_keeps_the_last_of_several_runs(self) -> None:
        text = "BenchmarkFib-8 1 1 ns/op\nBenchmarkFib-8 1 2 ns/op\n"

        assert latencies(Adapter.GO_BENCH, text) == {"BenchmarkFib-8": (2.0, None, None)}
