"""The chart's geometry, and that its table and its words say the same."""

import re
from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing import chart, pricing
from billing.chart import PLOT, Chart
from billing.days import DayCount
from tests.factories import TIERS

LADDER = pricing.ladder(TIERS)
FIRST = date(2026, 11, 1)


def days(*counts: int | None) -> list[DayCount]:
    """Return the counts of days in a row."""
    return [DayCount(FIRST + timedelta(days=n), count) for n, count in enumerate(counts)]


def draw(*counts: int | None, before: tuple[int, ...] = (), number_of_days: int = 30) -> Chart:
    """Draw these counts."""
    return chart.draw(days(*counts), days(*before), number_of_days=number_of_days, ladder=LADDER)


def points(path: str) -> list[tuple[int, int]]:
    """Return the corners that a path of M, H and V goes through."""
    found: list[tuple[int, int]] = []
    for command, numbers in re.findall(r"([MHV])([\d ]+)", path):
        values = [int(number) for number in numbers.split()]
        match command:
            case "M":
                found.append((values[0], values[1]))
            case "H":
                found.append((values[0], found[-1][1]))
            case "V":
                found.append((found[-1][0], values[0]))
    return found


GROWING = st.lists(st.integers(0, 5000), min_size=1, max_size=32).map(sorted)


class TestPath:
    @given(counts=GROWING, before=GROWING)
    def test_never_leaves_the_plot_nor_goes_back(
        self, counts: list[int], before: list[int]
    ) -> None:
        drawn = draw(*counts, before=tuple(before), number_of_days=32)

        for path in (drawn.path, drawn.path_before):
            corners = points(path)
            assert all(0 <= x <= PLOT and 0 <= y <= PLOT for x, y in corners)
            assert all(x <= x2 and y >= y2 for (x, y), (x2, y2) in pairwise(corners))

    def test_is_level_through_each_day(self) -> None:
        # 10 is highest, and 15 % of room are above it.
        assert draw(5, 10, number_of_days=4).path == "M0 565H250V130H500"

    def test_has_a_gap_where_a_day_is_not_known(self) -> None:
        assert draw(5, None, 10, number_of_days=4).path == "M0 565H250M500 130H750"

    def test_is_as_wide_as_the_longer_period(self) -> None:
        drawn = draw(10, number_of_days=2, before=(10, 10, 10, 10))

        assert points(drawn.path)[-1][0] == PLOT // 4
        assert points(drawn.path_before)[-1][0] == PLOT

    def test_of_nothing_is_empty(self) -> None:
        drawn = draw()

        assert (drawn.path, drawn.path_before, drawn.now, drawn.ticks) == ("", "", None, ())


class TestBounds:
    @pytest.mark.parametrize(
        ("count", "labels"),
        [
            (10, []),
            (84, ["above 250: $150.00"]),
            (251, ["above 250: $150.00", "above 375: $200.00"]),
            (501, ["above 250: $150.00", "above 375: $200.00", "above 500: $200.40"]),
        ],
    )
    def test_are_those_below_and_the_next_if_it_is_near(
        self, count: int, labels: list[str]
    ) -> None:
        assert [bound.label for bound in draw(count).bounds] == labels

    def test_lie_where_a_count_of_that_many_would(self) -> None:
        (bound,) = draw(250, number_of_days=1).bounds[:1]
        at = float(bound.at.rstrip("%")) / 100

        assert points(draw(250, number_of_days=1).path)[0][1] == pytest.approx(PLOT * at, abs=1)

    def test_too_close_to_be_told_apart_are_left_out(self) -> None:
        # At 1,500 series 250 and 375 are 7 % of the height apart, and 500 is 14 % above 250.
        assert [bound.label for bound in draw(1500).bounds] == [
            "above 250: $150.00",
            "above 500: $200.40",
        ]


class TestWords:
    def test_the_table_has_every_day_and_what_was_new(self) -> None:
        rows = draw(3, 3, None, 10, before=(1, 2, 3, 4, 5)).rows

        assert [(row.series, row.new, row.before) for row in rows] == [
            ("3", "3", "1"),
            ("3", "0", "2"),
            ("not counted yet", "", "3"),
            ("10", "", "4"),
            ("", "", "5"),
        ]
        assert [row.day for row in rows] == [
            "1\N{NO-BREAK SPACE}Nov",
            "2\N{NO-BREAK SPACE}Nov",
            "3\N{NO-BREAK SPACE}Nov",
            "4\N{NO-BREAK SPACE}Nov",
            "day 5",
        ]

    def test_the_description_compares_the_same_day(self) -> None:
        said = draw(3, 7, before=(1, 2, 30)).description

        assert "This period: 7 series by 2\N{NO-BREAK SPACE}Nov, day 2." in said
        assert "The period before: 2 by the same day of it, 30 at its end." in said

    def test_the_axis_ends_with_the_period_and_not_with_the_one_before(self) -> None:
        ticks = draw(1, number_of_days=10, before=tuple([1] * 20)).ticks

        assert [(tick.label.replace("\N{NO-BREAK SPACE}", " "), tick.at) for tick in ticks] == [
            ("1 Nov", "0%"),
            ("6 Nov", "27.5%"),
            ("10 Nov", "50.0%"),
        ]
