"""What leaving something out, or adding, would change: against counting it one by one."""

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import combinations
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from bencher.tenancy.models import Organization, User
from billing.models import BillingPeriod
from series.models import Project, SeriesLastSeen, Visibility
from tests.factories import make_plan, make_project
from tests.pages import accounts
from tests.pages.accounts import make_report
from tests.pages.reading import rows, soup, words

Browsers = Callable[[User], Client]
WHAT_IF = "/organizations/acme/billing/what-if/"
HOUR = timedelta(hours=1)
NOBODY = UUID(int=1)


@pytest.fixture
def browser(alice: User, browser_of: Browsers) -> Client:
    """Return the leader's browser."""
    return browser_of(alice)


@pytest.fixture
def november(acme: Organization, now: datetime) -> BillingPeriod:
    """Return Acme's November, in which 304 series of two private projects are billed."""
    period = accounts.make_november(make_plan(acme))
    engine, gears, open_ = (
        make_project(name, organization=acme, visibility=visibility)
        for name, visibility in (
            ("Engine", Visibility.PRIVATE),
            ("Gears", Visibility.PRIVATE),
            ("Open", Visibility.PUBLIC),
        )
    )
    many = [f"b{number}" for number in range(100)]
    make_report(engine, *many, at=now - HOUR, measures=("latency", "size"))
    make_report(engine, *many, at=now - HOUR, testbed="lab")
    make_report(gears, "x", "y", at=now - HOUR, measures=("latency", "size"))
    make_report(open_, "z", at=now - HOUR)
    return period


def compared(response: Any) -> dict[str, tuple[str, ...]]:
    """Return now, then and difference of each figure."""
    assert response.status_code == 200, response.content
    return {row[0]: tuple(row[1:]) for row in rows(response, "comparison")[1:]}


def boxes(response: Any) -> dict[tuple[str, str], str]:
    """Return the number of series beside each thing that can be left out."""
    found = {}
    for each in soup(response).select(".leave-out__one"):
        box = each.input
        assert box is not None
        found[str(box["name"]), words(each.label)] = words(each.select_one(".number"))
    return found


def uuid(kind: str, name: str, project: str) -> str:
    """Return the UUID of something by its names."""
    found = Project.objects.get(name=project)
    if kind == "project":
        return str(found.uuid)
    return str(getattr(found, f"{kind}s").get(name=name).uuid)


THINGS = [
    ("project", "Gears", "Gears"),
    ("testbed", "lab", "Engine"),
    ("testbed", "ci", "Gears"),
    ("measure", "size", "Engine"),
]


def left(things: tuple[tuple[str, str, str], ...]) -> int:
    """Count, one by one, the billed series that are in none of these."""
    ledger = SeriesLastSeen.objects.filter(project__visibility="private").select_related(
        "project", "testbed", "measure"
    )
    return sum(
        not any(
            series.project.name == project and getattr(series, kind).name == name
            for kind, name, project in things
        )
        for series in ledger
    )


class TestComparison:
    def test_changes_nothing_at_first(self, november: BillingPeriod, browser: Client) -> None:
        response = browser.get(WHAT_IF)

        assert compared(response) == {
            "Active series": ("304", "304", "0"),
            "Band": ("251–375", "251–375", "The same"),
            "Amount": ("$150.00", "$150.00", "$0.00"),
        }
        assert "Tick what to leave out" in words(response)

    @pytest.mark.parametrize("number", range(len(THINGS) + 1))
    def test_leaves_out_what_is_ticked(
        self, november: BillingPeriod, browser: Client, number: int
    ) -> None:
        for things in combinations(THINGS, number):
            query = [(f"drop_{kind}", uuid(kind, *names)) for kind, *names in things]

            found = compared(browser.get(f"{WHAT_IF}?{urlencode(query)}"))

            assert found["Active series"][:2] == ("304", str(left(things)))
            assert found["Amount"][1] == ("$100.00" if left(things) <= 250 else "$150.00")

    def test_says_the_difference(self, november: BillingPeriod, browser: Client) -> None:
        query = urlencode({"drop_testbed": uuid("testbed", "lab", "Engine")})

        response = browser.get(f"{WHAT_IF}?{query}")

        assert compared(response) == {
            "Active series": ("304", "204", "−100"),
            "Band": ("251–375", "0–250", "Another"),
            "Amount": ("$150.00", "$100.00", "−$50.00"),
        }
        assert words(soup(response).select_one("form [role=status]")) == (
            "−100 series: −$50.00 a period."
        )

    def test_adds(self, november: BillingPeriod, browser: Client) -> None:
        found = compared(browser.get(f"{WHAT_IF}?add=300"))

        assert found["Active series"] == ("304", "604", "+300")
        assert found["Amount"] == ("$150.00", "$241.60", "+$91.60")

    def test_of_a_trial_says_what_comes_after_it(
        self, november: BillingPeriod, browser: Client
    ) -> None:
        BillingPeriod.objects.update(kind="trial")

        found = compared(browser.get(f"{WHAT_IF}?add=100"))

        assert found["Amount"] == ("$0.00", "$0.00", "$0.00")
        assert found["Amount without the trial"] == ("$150.00", "$200.00", "+$50.00")

    def test_without_a_price_compares_series(
        self, acme: Organization, browser: Client, now: datetime, settings: Any
    ) -> None:
        settings.ACTIVE_SERIES_PRODUCT = ""
        engine = make_project("Engine", organization=acme, visibility=Visibility.PRIVATE)
        make_report(engine, "a", at=now - HOUR)

        response = browser.get(f"{WHAT_IF}?add=1")

        assert compared(response) == {"Active series": ("1", "2", "+1")}
        assert "there is no billing period" in words(response)
        assert "Nobody can tell the price" in words(response)


class TestChoices:
    def test_say_how_many_series_each_has(self, november: BillingPeriod, browser: Client) -> None:
        assert boxes(browser.get(WHAT_IF)) == {
            ("drop_project", "Engine"): "300",
            ("drop_project", "Gears"): "4",
            ("drop_testbed", "ci in Engine"): "200",
            ("drop_testbed", "lab in Engine"): "100",
            ("drop_testbed", "ci in Gears"): "4",
            ("drop_measure", "Latency in Engine"): "200",
            ("drop_measure", "size in Engine"): "100",
            ("drop_measure", "Latency in Gears"): "2",
            ("drop_measure", "size in Gears"): "2",
        }

    def test_are_the_largest_the_found_and_the_ticked(
        self, november: BillingPeriod, browser: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("billing.what_if_views.SHOWN", 1)
        gears = uuid("testbed", "ci", "Gears")

        first = browser.get(WHAT_IF)
        found = browser.get(f"{WHAT_IF}?search=GEARS")
        ticked = browser.get(f"{WHAT_IF}?drop_testbed={gears}")

        assert [name for kind, name in boxes(first) if kind == "drop_testbed"] == ["ci in Engine"]
        assert "2 more with 104 series: search for them." in words(first)
        assert [name for kind, name in boxes(found) if kind == "drop_testbed"] == ["ci in Gears"]
        assert [name for kind, name in boxes(ticked) if kind == "drop_testbed"] == [
            "ci in Engine",
            "ci in Gears",
        ]
        (box,) = soup(ticked).select("input[checked]")
        assert box["value"] == gears

    def test_keep_their_place_in_the_address(
        self, november: BillingPeriod, browser: Client
    ) -> None:
        page = soup(browser.get(f"{WHAT_IF}?search=lab&add=7"))

        form = page.select_one("form.what-if")
        assert form is not None
        assert form["method"] == "get"
        assert form["action"] == form["hx-get"] == WHAT_IF
        values = {str(each["name"]): each["value"] for each in page.select(".filters input")}
        assert values == {"search": "lab", "add": "7"}

    def test_htmx_gets_the_form_alone(self, november: BillingPeriod, browser: Client) -> None:
        part = browser.get(f"{WHAT_IF}?add=1", headers={"hx-request": "true"})

        assert compared(part)["Active series"] == ("304", "305", "+1")
        assert soup(part).html is None


class TestErrors:
    @pytest.mark.parametrize(
        ("query", "told"),
        [
            ("add=-1", "give a whole number from 0 to 10,000,000"),
            ("add=many", "give a whole number"),
            ("add=10000001", "give a whole number"),
            ("add=%C2%B2", "give a whole number"),
            ("drop_testbed=ci", "`drop_testbed` is no UUID: 'ci'"),
            (f"drop_testbed={NOBODY}", "The organization has no testbed"),
            (urlencode([("drop_measure", UUID(int=number)) for number in range(51)]), "holds 50"),
        ],
    )
    def test_are_told_and_change_nothing(
        self, november: BillingPeriod, browser: Client, query: str, told: str
    ) -> None:
        response = browser.get(f"{WHAT_IF}?{query}")

        assert told in words(soup(response).select_one("[role=alert]"))
        assert compared(response)["Active series"] == ("304", "304", "0")

    def test_things_of_others_are_none(
        self, november: BillingPeriod, charlie: User, browser: Client, now: datetime
    ) -> None:
        globex = charlie.memberships.get().organization
        theirs = make_project("Theirs", organization=globex, visibility=Visibility.PRIVATE)

        response = browser.get(f"{WHAT_IF}?drop_project={theirs.uuid}")

        assert "The organization has no project" in words(response)
        assert "Theirs" not in words(response)


class TestAccess:
    def test_is_for_leaders(
        self, acme: Organization, bob: User, charlie: User, browser_of: Browsers
    ) -> None:
        assert browser_of(bob).get(WHAT_IF).status_code == 403
        assert browser_of(charlie).get(WHAT_IF).status_code == 404
        assert Client().get(WHAT_IF).status_code == 302

    def test_takes_as_many_queries_however_much_there_is(
        self,
        november: BillingPeriod,
        browser: Client,
        django_assert_num_queries: DjangoAssertNumQueries,
    ) -> None:
        query = urlencode({"drop_testbed": uuid("testbed", "lab", "Engine")})

        with django_assert_num_queries(14):
            browser.get(f"{WHAT_IF}?{query}")
