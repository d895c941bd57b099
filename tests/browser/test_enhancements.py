"""What scripts add: parts of a page change in place, and nothing else does."""

import re

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from tests.browser import autumn, looks
from tests.browser.conftest import Visit, one_at_a_time
from tests.browser.pages import sign_in
from tests.browser.visitors import Visitor
from tests.scenario.conftest import Customer

pytestmark = [one_at_a_time, pytest.mark.usefixtures("worker")]
SEARCH = "Search in all names"


@pytest.fixture
def leader(customer: Customer, visit: Visit) -> Visitor:
    """Return a leader whose public project has 24 series, signed in."""
    autumn.report(customer.url, customer.public, testbed="ci", benchmarks=12)
    leader = visit(looks.USUAL)
    sign_in(leader, customer)
    return leader


def type_search(leader: Visitor, text: str) -> None:
    """Type into the search field, key by key, and press nothing."""
    leader.field(SEARCH).press_sequentially(text)


class TestSearch:
    @pytest.fixture(autouse=True)
    def _series(self, leader: Visitor, customer: Customer) -> None:
        leader.open(reverse("billing-series", args=[customer.slug]))

    def test_renews_the_results_while_one_types(self, leader: Visitor) -> None:
        leader.reads("24 series", within="#results")
        leader.page.evaluate("window.isStillThere = true")

        type_search(leader, "merge/1")

        leader.reads("2 series", within="#results")
        expect(leader.page).to_have_url(re.compile("search=merge"))
        expect(leader.field(SEARCH)).to_be_focused()
        assert leader.page.evaluate("window.isStillThere")
        leader.look()

    def test_can_be_gone_back_from_to_a_whole_page(self, leader: Visitor) -> None:
        type_search(leader, "merge/1")
        leader.reads("2 series", within="#results")

        leader.page.go_back()

        leader.reads("24 series", within="#results")
        expect(leader.page.locator("h1")).to_have_text("Series")
        leader.look()

    def test_leads_to_signing_in_where_the_session_has_ended(self, leader: Visitor) -> None:
        leader.page.context.clear_cookies()

        type_search(leader, "merge/1")

        expect(leader.page.locator("h1")).to_have_text("Sign in")


def test_what_if_compares_as_one_ticks(leader: Visitor, customer: Customer) -> None:
    customer.subscribe()
    autumn.report(customer.url, customer.private, testbed="ci", benchmarks=20)
    leader.open(reverse("what-if", args=[customer.slug]))

    leader.tick("Engine")

    leader.reads("−40", within="table")
    leader.look()
