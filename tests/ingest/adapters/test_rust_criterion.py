"""Criterion.rs."""

from ingest.adapters.registry import Adapter
from tests.ingest.adapters.reading import latencies

LONG = "group/a name of more than 23 characters/with input"


class TestParse:
    def test_reads_a_long_name_from_the_line_before(self) -> None:
        text = (
            f"Benchmarking {LONG}: Analyzing\n{LONG}\n"
            "                        time:   [1.0 ns 2.0 ns 3.0 ns]\n"
            "                        thrpt:  [1.0 GiB/s 2.0 GiB/s 3.0 GiB/s]\n"
            "                 change:\n"
            "                        time:   [-2.0% -0.2% +1.6%] (p = 0.79 > 0.05)\n"
            "                        thrpt:  [-2.0% +0.2% +1.6%]\n"
        )

        assert latencies(Adapter.RUST_CRITERION, text) == {LONG: (2.0, 1.0, 3.0)}

    def test_reads_a_unit_per_number(self) -> None:
        text = "fib                     time:   [999.5 ns 1.0005 \u00b5s 1.0 ms]"

        assert latencies(Adapter.RUST_CRITERION, text) == {"fib": (1000.5, 999.5, 1e6)}

    def test_passes_over_a_time_without_a_name(self) -> None:
        text = (
            "fib                     time:   [1 ns 2 ns 3 ns]\n"
            "                        No change in performance detected.\n"
            "                        time:   [4 ns 5 ns 6 ns]\n"
            "\n"
            "                        time:   [4 ns 5 ns 6 ns]\n"
        )

        assert latencies(Adapter.RUST_CRITERION, text) == {"fib": (2.0, 1.0, 3.0)}

    def test_reads_a_name_that_holds_the_word(self) -> None:
        text = "time: of day            time:   [1 ns 2 ns 3 ns]"

        assert latencies(Adapter.RUST_CRITERION, text) == {"time: of day": (2.0, 1.0, 3.0)}

    def test_passes_over_measurements_that_are_no_time(self) -> None:
        text = "cycles time: [1 cycles 2 cycles 3 cycles]\nfib time: [1 ns 2 ns 3 ns]"

        assert latencies(Adapter.RUST_CRITERION, text).keys() == {"fib"}

    def test_reads_lines_that_the_terminal_redrew(self) -> None:
        text = "Benchmarking fib: Analyzing\r\x1b[2K\x1b[32mfib\x1b[0m  time:   [1 s 2 s 3 s]"

        assert latencies(Adapter.RUST_CRITERION, text) == {"fib": (2e9, 1e9, 3e9)}
