"""How instants are written."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from bencher import dates

AT = datetime(2026, 11, 1, 0, 30, 5, tzinfo=timezone(timedelta(hours=2)))


class TestWriting:
    def test_is_in_utc_whatever_the_zone(self) -> None:
        assert dates.moment(AT).text == "31 October 2026, 22:30:05 UTC"
        assert dates.day(AT).text == "31 October 2026"
        assert dates.time_of_day(AT).text == "22:30:05 UTC"

    def test_carries_the_instant_for_machines(self) -> None:
        assert dates.day(AT).iso == "2026-10-31T22:30:05Z"


class TestSpan:
    def test_is_broken_only_behind_the_dash(self) -> None:
        text = dates.span(AT, AT + timedelta(days=31))

        assert text.split(" ") == ["31\N{NO-BREAK SPACE}Oct\N{NO-BREAK SPACE}–", text.split(" ")[1]]
        assert text.split() == ["31", "Oct", "–", "1", "Dec", "2026"]


class TestLeft:
    @pytest.mark.parametrize(
        ("rest", "text"),
        [
            (timedelta(days=12, hours=23), "12 days"),
            (timedelta(days=1), "1 day"),
            (timedelta(hours=23, minutes=59), "23 hours"),
            (timedelta(minutes=59), "59 minutes"),
            (timedelta(seconds=59), "0 minutes"),
            (timedelta(days=-1), "0 minutes"),
        ],
    )
    def test_rounds_down_in_the_largest_unit(self, rest: timedelta, text: str) -> None:
        now = datetime(2026, 11, 1, tzinfo=UTC)

        assert dates.left(now=now, until=now + rest) == text
