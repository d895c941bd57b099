"""Budgets: set, changed, taken back, refused in words; and the log of what was sent."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.test import Client

from bencher.tenancy.models import Organization, User
from billing.models import Budget, Notice
from tests.factories import make_plan
from tests.pages import accounts
from tests.pages.reading import soup, words

Browsers = Callable[[User], Client]
ALERTS = "/organizations/acme/billing/alerts/"


@pytest.fixture
def browser(alice: User, acme: Organization, browser_of: Browsers) -> Client:
    """Return the browser of Acme's leader."""
    return browser_of(alice)


def put(browser: Client, unit: str, limit: str, *thresholds: int) -> Any:
    """Send the form of a budget."""
    return browser.post(
        f"{ALERTS}budget/{unit}/",
        {f"{unit}-limit": limit, f"{unit}-thresholds": [str(each) for each in thresholds]},
    )


class TestBudget:
    def test_is_set_changed_and_taken_back(self, browser: Client, alice: User) -> None:
        put(browser, "series", "300", 50, 100)
        put(browser, "amount", "150.50", 90)
        assert set(Budget.objects.values_list("unit", "limit")) == {
            ("series", 300),
            ("amount", 15050),
        }
        page = soup(browser.get(ALERTS))
        assert page.select_one("input[name=amount-limit][value='150.50']")
        checked = page.find_all("input", {"name": "series-thresholds", "checked": True})
        assert [box["value"] for box in checked] == ["50", "100"]

        put(browser, "series", "400", 75)
        budget = Budget.objects.get(unit="series")
        assert (budget.limit, budget.thresholds, budget.set_by) == (400, [75], alice)

        put(browser, "series", "", 75)
        assert not Budget.objects.filter(unit="series").exists()

    @pytest.mark.parametrize(
        ("unit", "limit", "thresholds", "says"),
        [
            ("series", "0", [50], "greater than or equal to 1"),
            ("series", "1.5", [50], "whole number"),
            ("series", "100", [], "Choose at least one"),
            ("series", "100", [60], "60 is not one of the available choices"),
            ("amount", "1.234", [50], "2 decimal places"),
            ("amount", "NaN", [50], "Enter a number"),
            ("amount", "1e12", [50], "less than or equal to 10000000"),
        ],
    )
    def test_that_makes_no_sense_is_refused_in_words(
        self, browser: Client, unit: str, limit: str, thresholds: list[int], says: str
    ) -> None:
        response = put(browser, unit, limit, *thresholds)

        assert response.status_code == 422
        assert says in words(soup(response).find(class_="error-summary"))
        assert not Budget.objects.exists()

    def test_of_an_unknown_unit_does_not_exist(self, browser: Client) -> None:
        assert put(browser, "metrics", "1", 50).status_code == 404

    @pytest.mark.parametrize(("who", "status"), [("bob", 403), ("charlie", 404)])
    def test_is_for_leaders(
        self, who: str, status: int, browser_of: Browsers, request: pytest.FixtureRequest
    ) -> None:
        other = browser_of(request.getfixturevalue(who))
        request.getfixturevalue("acme")

        assert other.get(ALERTS).status_code == status
        assert put(other, "series", "10", 50).status_code == status
        assert not Budget.objects.exists()


class TestLog:
    def test_shows_what_was_sent_and_to_whom(
        self, browser: Client, alice: User, acme: Organization, now: datetime
    ) -> None:
        Notice.objects.create(
            organization=acme,
            period=accounts.make_november(make_plan(acme)),
            kind=Notice.Kind.TIER_CROSSED,
            about="band 2",
            figures={"band": 1, "series": 300, "counted_at": now.isoformat()},
            noticed_at=now,
            sent_at=now,
            recipients=[alice.uuid],
        )

        row = words(soup(browser.get(ALERTS)).find("tbody"))

        assert "300 active series, in the band 251–375" in row
        assert "Sent" in row
        assert "alice@example.com" in row

    def test_takes_the_same_queries_for_many(
        self,
        browser: Client,
        alice: User,
        acme: Organization,
        now: datetime,
        django_assert_max_num_queries: Any,
    ) -> None:
        for number in range(30):
            Notice.objects.create(
                organization=acme,
                kind=Notice.Kind.PAYMENT_FAILED,
                about=str(number),
                figures={"status": "past_due", "private_until": None},
                noticed_at=now,
                sent_at=now,
                recipients=[alice.uuid],
            )

        with django_assert_max_num_queries(10):
            browser.get(ALERTS)
