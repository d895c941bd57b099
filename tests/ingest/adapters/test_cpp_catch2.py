"""Catch2."""

import pytest

from ingest.adapters.registry import Adapter
from tests.ingest.adapters.reading import latencies

RULE = "-" * 79
HEAD = f"""benchmark name                       samples       iterations    estimated
                                     mean          low mean      high mean
                                     std dev       low std dev   high std dev
{RULE}
"""
ROW = """{name}                                5            41     1.4473 m
                                          245.2 ns     242.22 ns    1.253459 us
                                         5.3999 ns   0.119487 ns    6.78348 ns

"""


def _case(name: str) -> str:
    return f"{RULE}\n{name}\n{RULE}\nfib.cc:7\n{'.' * 79}\n\n{HEAD}"


class TestParse:
    def test_reads_a_unit_per_number(self) -> None:
        text = _case("Case") + ROW.format(name="fib")

        assert latencies(Adapter.CPP_CATCH2, text) == {"Case: fib": (245.2, 242.22, 1253.459)}

    @pytest.mark.parametrize(
        ("heading", "path"),
        [
            ("Case\n  outer\n  inner", "Case: outer: inner"),
            ("Case whose name was\nwrapped\n  inner", "Case whose name was wrapped: inner"),
            ("Scenario: a\n          long one\n  Given: b", "Scenario: a long one: Given: b"),
        ],
    )
    def test_puts_test_case_and_sections_before_the_name(self, heading: str, path: str) -> None:
        text = _case(heading) + ROW.format(name="fib")

        assert latencies(Adapter.CPP_CATCH2, text).keys() == {f"{path}: fib"}

    def test_joins_names_that_were_wrapped(self) -> None:
        text = _case("Case") + "a name that\nwas\n" + ROW.format(name="wrapped")

        assert latencies(Adapter.CPP_CATCH2, text).keys() == {"Case: a name that was wrapped"}

    def test_leaves_out_failed_benchmarks(self) -> None:
        text = (
            _case("Case")
            + "throwing     Benchmark failed (broken) \n\n"
            + _case("Other")
            + ROW.format(name="fib")
        )

        assert latencies(Adapter.CPP_CATCH2, text).keys() == {"Other: fib"}

    def test_goes_on_after_a_failed_check(self) -> None:
        text = (
            _case("Case")
            + ROW.format(name="one")
            + "fib.cc:16: FAILED:\n  CHECK( 1 == 2 )\n\n"
            + HEAD
            + ROW.format(name="two")
        )

        assert latencies(Adapter.CPP_CATCH2, text).keys() == {"Case: one", "Case: two"}

    def test_survives_a_rule_that_a_benchmark_printed(self) -> None:
        text = f"{RULE}\nCase\n{RULE}\nfib.cc:7\n{RULE}\n{HEAD}" + ROW.format(name="fib")

        assert latencies(Adapter.CPP_CATCH2, text).keys() == {"Case: fib"}
