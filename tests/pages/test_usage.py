"""Which period the figure of page and API is about."""

from datetime import datetime, timedelta

import pytest

from bencher.tenancy.models import Organization
from billing import usage
from tests.factories import DEC, NOV, make_plan
from tests.pages import accounts


class TestCurrent:
    @pytest.mark.parametrize(
        ("now", "is_in"),
        [(NOV, True), (DEC - timedelta(microseconds=1), True), (DEC, False)],
    )
    def test_is_about_the_period_from_its_first_instant_to_before_its_last(
        self, acme: Organization, now: datetime, is_in: bool
    ) -> None:
        period = accounts.make_november(make_plan(acme))

        found = usage.current(acme, now=now)

        assert found.period == (period if is_in else None)
