"""asv."""

import pytest

from ingest.adapters.registry import Adapter
from tests.ingest.adapters.reading import latencies


class TestParse:
    @pytest.mark.parametrize(
        ("value", "metric"),
        [
            ("74.4\u00b10.1\u03bcs", (74400.0, 74300.0, 74500.0)),
            ("74.4\u00b10.1\u00b5s", (74400.0, 74300.0, 74500.0)),
            ("121~1us", (121e3, 120e3, 122e3)),
            ("2.5+-0.5ms", (2.5e6, 2e6, 3e6)),
            ("1.2\u00b10s", (1.2e9, 1.2e9, 1.2e9)),
            ("568\u00b15ns", (568.0, 563.0, 573.0)),
        ],
    )
    def test_reads_value_spread_and_unit(self, value: str, metric: tuple[float, ...]) -> None:
        text = f"[100.00%] \u00b7\u00b7\u00b7 fib.time_it      {value}\r\n"

        assert latencies(Adapter.PYTHON_ASV, text) == {"fib.time_it": pytest.approx(metric)}

    def test_passes_over_failures_memory_and_tracked_numbers(self) -> None:
        text = "\n".join(
            f"[ 50.00%] \u00b7\u00b7\u00b7 fib.{name}      {value}"
            for name, value in {
                "fails": "failed",
                "skips": "n/a",
                "mem": "8.06k",
                "peak": "24.6M",
                "track": "42",
                "odd": "1\u00b11parsec",
                "good": "1.0\u00b10ns",
            }.items()
        )

        assert latencies(Adapter.PYTHON_ASV, text).keys() == {"fib.good"}

    def test_survives_a_table_that_is_cut_off(self) -> None:
        text = "\n".join(
            [
                "[ 10.00%] ··· a.time_it      ok",
                "[ 10.00%] ··· === =====",
                "             n",
                "[ 20.00%] ··· b.time_it      1.0±0ns",
                "[ 20.00%] ··· === =====",
            ]
        )

        assert latencies(Adapter.PYTHON_ASV, text).keys() == {"b.time_it"}

    def test_reads_rows_whose_trailing_blanks_were_stripped(self) -> None:
        text = "\n".join(
            [
                "[ 10.00%] ··· a.time_it      ok",
                "[ 10.00%] ··· === =========",
                "               n",
                "              --- ---------",
                "               3   281±1ns",
                "               9    failed",
                "              === =========",
            ]
        )

        assert latencies(Adapter.PYTHON_ASV, text) == {"a.time_it(3)": (281.0, 280.0, 282.0)}
