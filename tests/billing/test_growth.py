"""How a count grew, what is new and what may come, against the independent oracle."""

import copy
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from math import ceil
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing import close, days, usage_page
from billing.models import BillingPeriod, FirstReports
from billing.usage_page import By, Running
from tests.databases import rolled_back
from tests.factories import make_period, make_plan
from tests.oracle import Oracle, Series
from tests.series.test_oracle import CHANGE, REPORT, World

pytestmark = pytest.mark.django_db

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# Neither bound is a midnight, whatever the time of day is when this runs.
SPLIT = timedelta(days=12, hours=5, minutes=7)
LAST_LASTED = timedelta(days=9, hours=3)


def _hours(first: timedelta, last: timedelta) -> Any:
    return st.integers(-first // HOUR, -last // HOUR)


IN_THE_LAST = REPORT.flatmap(lambda report: _at(report, LAST_LASTED + SPLIT - HOUR, SPLIT + HOUR))
IN_THIS = REPORT.flatmap(lambda report: _at(report, SPLIT + 2 * DAY, timedelta(0)))


def _at(report: dict[str, Any], first: timedelta, last: timedelta) -> Any:
    return _hours(first, last).map(lambda hours: report | {"hours": hours})


LAST = st.lists(st.one_of(IN_THE_LAST, IN_THE_LAST, CHANGE), max_size=6)
THIS = st.lists(st.one_of(IN_THIS, IN_THIS, IN_THIS, CHANGE), max_size=6)


class Periods:
    """Two periods of a world; the first is closed and the second runs."""

    def __init__(self, last: list[dict[str, Any]], this: list[dict[str, Any]]) -> None:
        self.world = world = World()
        self.now = world.now
        self.split = self.now - SPLIT
        plan = make_plan(world.acme)
        before = make_period(plan, starts_at=self.split - LAST_LASTED, ends_at=self.split)
        world.oracle.fence = before.starts_at
        for step in last:
            world.apply(step)
        self.period = make_period(plan, starts_at=self.split, ends_at=self.now + timedelta(days=17))
        assert close.close(before.pk, now=self.now) is not None
        self.before: BillingPeriod = before
        # What was billed when the last period was closed.
        self.closed: Oracle = copy.deepcopy(world.oracle)
        world.oracle.fence = self.split
        for step in this:
            world.apply(step)
        days.count_running()

    def read(self) -> Running:
        return usage_page.running(self.world.acme, by=By.PROJECT, now=self.now)

    def billed_now(self, start: datetime, end: datetime) -> set[Series]:
        oracle = self.world.oracle
        return {
            series
            for series in oracle.active(start, end)
            if oracle.private[series[0]] and series[0] not in oracle.deleted
        }


def ends_of_days(first: datetime, last: datetime) -> Iterator[tuple[date, datetime]]:
    """Yield each UTC day between, and its end."""
    day = first.astimezone(UTC).date()
    while datetime.combine(day, time(), UTC) < last:
        yield day, datetime.combine(day + DAY, time(), UTC)
        day += DAY


class TestEqualsTheOracle:
    @given(last=LAST, this=THIS)
    def test_after_any_two_periods(
        self, last: list[dict[str, Any]], this: list[dict[str, Any]]
    ) -> None:
        with rolled_back():
            periods = Periods(last, this)
            found = periods.read()

            self.check_growth(periods, found)
            self.check_growth_before(periods, found)
            self.check_turnover(periods, found)
            self.check_projection(periods, found)

    def check_growth(self, periods: Periods, found: Running) -> None:
        oracle, start = periods.world.oracle, periods.split
        expected = [
            (day, oracle.billed(start, end)) for day, end in ends_of_days(start, periods.now)
        ]
        # What was received this very moment was seen after `now`, and counts today.
        expected[-1] = (expected[-1][0], oracle.billed(start, periods.now + DAY))

        assert [(day.day, day.series) for day in found.growth] == expected
        assert found.growth[-1].series == found.usage.count.billed

    def check_growth_before(self, periods: Periods, found: Running) -> None:
        start = periods.before.starts_at

        assert [(day.day, day.series) for day in found.growth_before] == [
            (day, periods.closed.billed(start, min(end, periods.split)))
            for day, end in ends_of_days(start, periods.split)
        ]

    def check_turnover(self, periods: Periods, found: Running) -> None:
        was = periods.billed_now(periods.before.starts_at, periods.split)
        now = periods.billed_now(periods.split, periods.now + DAY)

        assert found.change is not None
        assert found.change.turnover.unseen == len(was - now)
        assert found.change.turnover.new == len(now - was)
        unseen = {(s.project, s.testbed, s.benchmark) for s in found.change.longest_unseen}
        assert len(found.change.longest_unseen) == min(5, len(was - now))
        assert unseen <= {series[:3] for series in was - now}

    def check_projection(self, periods: Periods, found: Running) -> None:
        was = periods.billed_now(periods.before.starts_at, periods.split)
        now = periods.billed_now(periods.split, periods.now + DAY)
        pace = Fraction(len(now - was)) / Fraction(SPLIT / timedelta(microseconds=1))
        left = Fraction(timedelta(days=17) / timedelta(microseconds=1))

        assert found.projection is not None
        assert found.projection.least == len(now)
        assert found.projection.most == len(now | was) + ceil(pace * left)


class TestNights:
    @pytest.fixture
    def periods(self) -> Periods:
        return Periods([], [self.report(-200), self.report(-100)])

    def report(self, hours: int) -> dict[str, Any]:
        return {
            "do": "report",
            "project": 0,
            "testbed": "ci",
            "branch": "main",
            "hours": hours,
            "minutes_ahead": 0,
            "results": [{f"bench {hours}": {"latency": 1.0}}],
        }

    def test_days_since_the_last_one_are_not_known_yet(self, periods: Periods) -> None:
        FirstReports.objects.update(counted_at=periods.now - timedelta(days=3))

        known = [day.series is not None for day in periods.read().growth]

        assert known == [True] * (len(known) - 4) + [False] * 3 + [True]

    def test_before_the_first_one_only_today_is_known(self, periods: Periods) -> None:
        FirstReports.objects.all().delete()

        growth = periods.read().growth

        assert {day.series for day in growth[:-1]} == {None}
        assert growth[-1].series == 2

    def test_a_backdated_report_is_found_in_the_next(self, periods: Periods) -> None:
        at = (periods.now - 150 * HOUR).astimezone(UTC).date()
        periods.world.apply(self.report(-150))

        days.count_running()

        growth = {day.day: day.series for day in periods.read().growth}
        assert (growth[at - DAY], growth[at]) == (1, 2)

    def test_a_quiet_period_is_not_counted_again(self, periods: Periods) -> None:
        # What was counted is made wrong, to see that nobody counts it.
        FirstReports.objects.update(counted_at=periods.now + HOUR, days=[])

        days.count([periods.period.pk])

        assert FirstReports.objects.get().days == []

    def test_projects_that_are_public_now_are_left_out_of_all_days(self, periods: Periods) -> None:
        periods.world.apply({"do": "flip", "project": 0})

        assert {day.series for day in periods.read().growth} == {0}
