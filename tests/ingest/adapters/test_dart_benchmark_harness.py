"""benchmark_harness."""

import pytest

from ingest.adapters.registry import Adapter
from tests.ingest.adapters.reading import latencies


class TestParse:
    @pytest.mark.parametrize("score", ["2.5 us.", "2.5 us", "2.5 \u00b5s.", "0.0025 ms.\r"])
    def test_reads_the_run_time(self, score: str) -> None:
        assert latencies(Adapter.DART_BENCHMARK_HARNESS, f"A b(RunTime): {score}\n") == {
            "A b": (2500.0, None, None)
        }

    def test_passes_over_other_scores(self) -> None:
        text = "\n".join(
            [
                "A(CodeSize): 12 bytes.",
                "B(RunTime): fast us.",
                "C(RunTime): 1.0 parsec.",
                "(RunTime): 1.0 us.",
                "D(RunTime): 1.5e-7 us.",
            ]
        )

        assert latencies(Adapter.DART_BENCHMARK_HARNESS, text).keys() == {"D"}
