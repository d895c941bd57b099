"""Numbers and units as tools print them."""

import pytest

from ingest.adapters import numbers, units
from ingest.adapters.results import AdapterError


class TestRead:
    @pytest.mark.parametrize(
        ("word", "number"),
        [("0", 0.0), ("12.5", 12.5), ("-3", -3.0), ("+2.", 2.0), ("1e-7", 1e-7), ("1E+3", 1e3)],
    )
    def test_reads_plain_numbers(self, word: str, number: float) -> None:
        assert numbers.read(word) == number

    @pytest.mark.parametrize(
        "word",
        [
            "",
            "-",
            "nan",
            "inf",
            "1_000",
            " 1",
            "1 ",
            "\u0661",
            "0x10",
            "1,000",
            "1e",
            "--1",
            ".5",
            "e5",
        ],
    )
    def test_refuses_other_words(self, word: str) -> None:
        assert numbers.read(word) is None


class TestReadGrouped:
    @pytest.mark.parametrize(
        ("word", "number"),
        [("1,431,759", 1431759.0), ("12,146.25", 12146.25), ("999", 999.0), ("-1,000", -1000.0)],
    )
    def test_reads_commas_between_thousands(self, word: str, number: float) -> None:
        assert numbers.read_grouped(word) == number

    @pytest.mark.parametrize(
        "word", ["1,5", ",100", "1,0000", "1000,000", "1,000,", "1.5,000", ","]
    )
    def test_refuses_other_commas(self, word: str) -> None:
        assert numbers.read_grouped(word) is None


class TestUnits:
    def test_knows_both_code_points_of_micro(self) -> None:
        assert units.nanoseconds_in("\u00b5s") == units.nanoseconds_in("\u03bcs") == 1e3

    def test_turns_rates_into_rates_per_second(self) -> None:
        assert units.per_second(2.0, "ms") == 2000.0
        assert units.per_second(120.0, "min") == 2.0

    def test_refuses_what_is_no_unit_of_time(self) -> None:
        with pytest.raises(AdapterError, match="unknown time unit 'parsec'"):
            units.nanoseconds_in("parsec")
