"""libtest's benchmarks."""

from ingest.adapters.registry import Adapter
from tests.ingest.adapters.reading import latencies


class TestParse:
    def test_reads_every_unit_and_both_code_points_of_micro(self) -> None:
        units = {"ns": 1.0, "\u00b5s": 1e3, "\u03bcs": 1e3, "us": 1e3, "ms": 1e6, "s": 1e9}
        text = "\n".join(f"test b{i} ... bench: 2 {u}/iter (+/- 1)" for i, u in enumerate(units))

        found = latencies(Adapter.RUST_BENCH, text)

        assert found == {
            f"b{i}": (2 * scale, scale, 3 * scale) for i, scale in enumerate(units.values())
        }

    def test_passes_over_lines_that_only_look_alike(self) -> None:
        text = "\n".join(
            [
                "test good ... bench: 5 ns/iter (+/- 1) = 12 MB/s",
                "test no_spread ... bench: 5 ns/iter",
                "test no_unit ... bench: 5 parsec/iter (+/- 1)",
                "test no_number ... bench: five ns/iter (+/- 1)",
                "test badly_grouped ... bench: 1,5 ns/iter (+/- 1)",
                " test indented ... bench: 5 ns/iter (+/- 1)",
                "test ... bench: 5 ns/iter (+/- 1)",
                "test result: ok. 0 passed; bench: none",
            ]
        )

        assert latencies(Adapter.RUST_BENCH, text).keys() == {"good", "..."}

    def test_reads_colors_and_carriage_returns(self) -> None:
        text = "test a ... \x1b[36mbench\x1b(B\x1b[m: 1,000 ns/iter (+/- 0)\r\ntest b ... ok\r\n"

        assert latencies(Adapter.RUST_BENCH, text) == {"a": (1000.0, 1000.0, 1000.0)}

    def test_reads_past_what_the_benchmark_printed(self) -> None:
        text = "test a ... hello bench:  bench: 3 ns/iter (+/- 1)"

        assert latencies(Adapter.RUST_BENCH, text) == {"a": (3.0, 2.0, 4.0)}
