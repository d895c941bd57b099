"""Month boundaries: clamped for a short month, and back on the anchor's day afterwards."""

from datetime import UTC, datetime

import pytest

from tests.sandbox.shop import instant
from tests.stripe_sandbox.periods import boundary, next_boundary


def days(anchor: int, count: int, interval: str = "month") -> list[str]:
    instants = [boundary(anchor, interval=interval, count=1, index=i) for i in range(count)]
    return [f"{datetime.fromtimestamp(at, UTC):%m-%d}" for at in instants]


class TestBoundary:
    @pytest.mark.parametrize(
        ("year", "day", "february"),
        [
            (2027, 28, "02-28"),
            (2027, 29, "02-28"),
            (2027, 30, "02-28"),
            (2027, 31, "02-28"),
            (2028, 28, "02-28"),
            (2028, 29, "02-29"),
            (2028, 30, "02-29"),
            (2028, 31, "02-29"),
        ],
    )
    def test_clamps_february_and_returns_to_the_anchor(
        self, year: int, day: int, february: str
    ) -> None:
        april = f"04-{min(day, 30)}"

        assert days(instant(year, 1, day, 12), 5) == [
            f"01-{day}",
            february,
            f"03-{day}",
            april,
            f"05-{day}",
        ]

    def test_keeps_the_time_of_day_and_crosses_the_year(self) -> None:
        anchor = instant(2026, 11, 30, 23, 59)

        assert boundary(anchor, interval="month", count=1, index=3) == instant(2027, 2, 28, 23, 59)

    def test_moves_a_leap_day_by_years(self) -> None:
        assert days(instant(2028, 2, 29), 5, "year") == [
            "02-29",
            "02-28",
            "02-28",
            "02-28",
            "02-29",
        ]


class TestNextBoundary:
    def test_is_later_than_an_instant_that_is_a_boundary_itself(self) -> None:
        anchor = instant(2026, 1, 31)
        first = next_boundary(anchor, interval="month", count=1, after=anchor)

        assert first == instant(2026, 2, 28)
        assert next_boundary(anchor, interval="month", count=1, after=first) == instant(2026, 3, 31)
