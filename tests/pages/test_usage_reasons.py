"""What the usage page says of why the figures are what they are, and of what may come."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from bencher.tenancy.models import Organization, User
from billing import close, days, gateway
from billing.models import BillingPeriod, Budget, Plan, Status
from series.models import Project, Visibility
from tests.factories import (
    DEC,
    NOV,
    bmf,
    make_period,
    make_plan,
    make_project,
    make_project_key,
    make_user_key,
    report_body,
)
from tests.pages import accounts
from tests.pages.reading import rows, soup, words
from tests.pages.stub import StubStripe

Browsers = Callable[[User], Client]
PAGE = "/organizations/acme/billing/"
DAY = timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)


@pytest.fixture
def engine(acme: Organization) -> Project:
    """Return a private project."""
    return make_project("Engine", organization=acme, visibility=Visibility.PRIVATE)


@pytest.fixture
def report(engine: Project) -> Callable[..., None]:
    """Return a function that reports so many benchmarks of a prefix at an instant."""
    headers = {"authorization": f"Bearer {make_project_key(engine)}"}

    def sent(number: int, prefix: str, *, at: datetime, testbed: str = "ci") -> None:
        body = report_body(bmf(number, prefix=prefix), end_time=at, testbed=testbed)
        response = Client().post(
            f"/v0/projects/{engine.uuid}/reports",
            body,
            content_type="application/json",
            headers=headers,
        )
        assert response.status_code == 201, response.content

    return sent


@pytest.fixture
def plan(acme: Organization, now: datetime, report: Callable[..., None]) -> Plan:
    """Return a plan whose October is closed: 3 series that stayed, 4 not seen since; 5 are new.

    Those that stayed report twice in each period: they count from the first time on.
    """
    plan = make_plan(acme)
    october = make_period(plan, starts_at=accounts.OCT, ends_at=NOV)
    report(3, "stays", at=accounts.OCT + 3 * DAY)
    report(4, "went", at=accounts.OCT + 9 * DAY, testbed="old")
    report(3, "stays", at=accounts.OCT + 19 * DAY)
    make_period(plan, starts_at=NOV, ends_at=DEC)
    close.close(october.pk, now=now)
    report(3, "stays", at=NOV + 2 * DAY)
    report(5, "new", at=NOV + 4 * DAY, testbed="gpu")
    report(3, "stays", at=NOV + 9 * DAY)
    days.count_running()
    return plan


@pytest.fixture
def page(plan: Plan, alice: User, browser_of: Browsers) -> Callable[..., Any]:
    """Return a function that opens the page as Alice."""
    browser = browser_of(alice)

    def opened(query: str = "", **headers: str) -> Any:
        response = browser.get(PAGE + query, headers=headers)
        assert response.status_code == 200
        return response

    return opened


class TestChange:
    def test_compares_with_the_last_period(self, page: Callable[..., Any]) -> None:
        figures = words(soup(page()).find("dl", class_="figures"))

        assert "Active private series 8 7 in the last period: +1" in figures
        assert "$100.00 in the last period: no change" in figures

    def test_says_how_many_are_new_and_names_the_newest(self, page: Callable[..., Any]) -> None:
        text = words(soup(page()).find("section", attrs={"aria-labelledby": "new"}))

        assert "5 of the active series did not report in the last period" in text
        # All names are from the moment of the test, which lies in November.
        assert "testbed gpu in Engine" in text

    def test_says_which_may_be_about_to_stop(self, page: Callable[..., Any]) -> None:
        text = words(soup(page()).find("section", attrs={"aria-labelledby": "unseen"}))

        assert "4 series reported in the last period and not in this one" in text
        assert "not billed in this period unless they report before 1 December 2026" in text
        assert "went_0 latency on old in Engine , last 10 October 2026" in text.replace(
            "Latency", "latency"
        )

    def test_there_is_nothing_to_compare_with_where_a_gap_lies_between(
        self, page: Callable[..., Any]
    ) -> None:
        BillingPeriod.objects.filter(starts_at=NOV).update(starts_at=NOV + timedelta(hours=1))

        response = page()

        assert "There is no closed period just before this one" in words(response)
        assert "in the last period" not in words(soup(response).find("dl", class_="figures"))


class TestProjection:
    def test_is_a_range_with_its_method(self, page: Callable[..., Any]) -> None:
        text = words(page())

        # 5 new in 17.5 of 30 days make 4 more in the 12.5 that are left: 8 + 4 + 4.
        assert "At the end of the period $100.00 8 – 16 series" in text
        assert (
            "At most those, the 4 of the last period that have not reported yet and 4 new ones, at"
            " the pace of the 5 new so far." in text
        )

    def test_a_trial_costs_nothing_at_its_end_either(
        self, page: Callable[..., Any], plan: Plan
    ) -> None:
        plan.periods.filter(starts_at=NOV).update(kind=BillingPeriod.Kind.TRIAL)

        assert "At the end of the period $0.00" in words(page())


class TestChart:
    def test_has_both_periods_and_a_table_that_says_the_same(
        self, page: Callable[..., Any]
    ) -> None:
        response = page()

        chart = soup(response).find("svg", class_="chart")
        assert chart is not None
        assert chart.find("path", class_="chart__line")
        assert chart.find("path", class_="chart__before")
        table = {row[0]: row[1:] for row in rows(response, "growth")[1:]}
        assert table["3 Nov"] == ["3", "3", "0"]
        assert table["5 Nov"] == ["8", "5", "3"]
        assert table["18 Nov"] == ["8", "0", "7"]
        assert table["day 31"] == ["", "", "7"]

    def test_of_a_closed_period_is_drawn_from_its_statement(self, page: Callable[..., Any]) -> None:
        table = {row[0]: row[1:] for row in rows(page("?period=last"), "growth")[1:]}

        assert table["4 Oct"] == ["3", "3", ""]
        assert table["31 Oct"] == ["7", "0", ""]


class TestShares:
    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("?by=testbed", [["gpu", "Engine", "5"], ["ci", "Engine", "3"]]),
            ("?by=measure", [["Latency", "Engine", "8"]]),
            ("?period=last&by=testbed", [["old", "Engine", "4"], ["ci", "Engine", "3"]]),
            ("?period=last", [["Engine", "Private", "7", "Billed"]]),
        ],
    )
    def test_add_up_to_what_is_billed(
        self, page: Callable[..., Any], query: str, expected: list[list[str]]
    ) -> None:
        table = rows(page(query), "shares")[1:]

        assert table[: len(expected)] == expected
        assert table[len(expected)][:2] == ["Billed", "7" if "last" in query else "8"]

    @pytest.mark.parametrize(
        ("query", "listed"),
        [
            ("?by=testbed", ["gpu in Engine", "ci in Engine"]),
            ("?by=measure", ["Latency in Engine"]),
        ],
    )
    def test_leave_out_what_is_public_or_deleted(
        self,
        acme: Organization,
        page: Callable[..., Any],
        now: datetime,
        query: str,
        listed: list[str],
    ) -> None:
        for name, visibility, deleted_at in (
            ("Open", Visibility.PUBLIC, None),
            ("Gone", Visibility.PRIVATE, now),
        ):
            project = make_project(name, organization=acme, visibility=visibility)
            accounts.make_series(project, 9, at=now)
            Project.objects.filter(pk=project.pk).update(deleted_at=deleted_at)

        table = rows(page(query), "shares")[1:]

        assert [f"{row[0]} in {row[1]}" for row in table[:-1]] == listed
        assert table[-1][:2] == ["Billed", "8"]

    @pytest.mark.parametrize("query", ["?by=testbed", "?by=measure"])
    def test_are_of_the_period_alone(
        self, acme: Organization, page: Callable[..., Any], query: str
    ) -> None:
        """The last instant before it is the last period's, the end the next one's."""
        for name, at in (("Before", NOV - MICROSECOND), ("After", DEC)):
            project = make_project(name, organization=acme, visibility=Visibility.PRIVATE)
            accounts.make_series(project, 9, at=at)
        first = make_project("First", organization=acme, visibility=Visibility.PRIVATE)
        accounts.make_series(first, 2, at=NOV)

        table = rows(page(query), "shares")[1:]

        assert {row[1] for row in table[:-1]} == {"Engine", "First"}
        assert table[-1][:2] == ["Billed", "10"]

    def test_beyond_the_largest_twenty_are_summed_up(
        self, acme: Organization, page: Callable[..., Any], now: datetime
    ) -> None:
        for number in range(22):
            project = make_project(
                f"Small {number}", organization=acme, visibility=Visibility.PRIVATE
            )
            accounts.make_series(project, 1, at=now)

        table = rows(page(), "shares")
        by_testbed = rows(page("?by=testbed"), "shares")

        assert table[21:23] == [["3 more projects", "3", ""], ["Billed", "30", ""]]
        assert by_testbed[21:23] == [["4 more testbeds", "4"], ["Billed", "30"]]


class TestLinks:
    @pytest.mark.parametrize(
        ("query", "listed"),
        [("", 8), ("?by=testbed", 5), ("?by=measure", 8), ("?period=last&by=testbed", 4)],
    )
    def test_each_share_leads_to_its_series(
        self, page: Callable[..., Any], alice: User, browser_of: Browsers, query: str, listed: int
    ) -> None:
        section = soup(page(query)).find("section", attrs={"aria-labelledby": "shares"})
        assert section is not None
        share = section.select_one("tbody th a")
        assert share is not None

        response = browser_of(alice).get(str(share["href"]))

        assert len(soup(response).select("main tbody tr")) == listed

    @pytest.mark.parametrize(("section", "listed"), [("new", 5), ("unseen", 4)])
    def test_what_is_new_and_missing_leads_to_as_many_series(
        self, page: Callable[..., Any], alice: User, browser_of: Browsers, section: str, listed: int
    ) -> None:
        found = soup(page()).find("section", attrs={"aria-labelledby": section})
        assert found is not None
        link = found.select("a")[-1]

        response = browser_of(alice).get(str(link["href"]))

        assert len(soup(response).select("main tbody tr")) == listed

    def test_a_closed_period_leads_to_its_statement(
        self, page: Callable[..., Any], plan: Plan
    ) -> None:
        statement = plan.periods.get(starts_at=accounts.OCT).statement

        links = [str(link["href"]) for link in soup(page("?period=last")).select("main a")]

        assert f"{PAGE}statements/{statement.uuid}/" in links


class TestBudgets:
    def test_show_how_much_is_used_and_where_leaders_are_told(
        self, acme: Organization, page: Callable[..., Any], now: datetime
    ) -> None:
        Budget.objects.create(
            organization=acme, unit="series", limit=10, thresholds=[50, 90], set_at=now
        )
        Budget.objects.create(
            organization=acme, unit="amount", limit=5000, thresholds=[100], set_at=now
        )

        response = page()

        text = words(response)
        assert "Budget of series 8 of 10, 80%" in text
        assert "Budget of money $100.00 of $50.00, 200% It is reached. Nothing is cut off." in text
        marks = [str(mark["x1"]) for mark in soup(response).select(".bar__mark")]
        assert marks == ["50.0%", "90.0%", "50.0%"]


class TestStates:
    def test_one_who_never_reported_is_told_how(self, charlie: User, browser_of: Browsers) -> None:
        text = words(browser_of(charlie).get("/organizations/globex/billing/"))

        assert "Nothing has reported yet, so nothing is counted" in text

    @pytest.mark.parametrize(
        ("status", "label"),
        [
            (Status.ACTIVE, "Manage the plan"),
            (Status.PAST_DUE, "Fix the payment"),
            (Status.UNPAID, "Fix the payment"),
            (Status.PAUSED, "Add a card"),
        ],
    )
    def test_one_thing_to_do_leads_to_the_plan(
        self, plan: Plan, page: Callable[..., Any], status: Status, label: str
    ) -> None:
        Plan.objects.filter(pk=plan.pk).update(status=status)

        (button,) = soup(page()).select("main a.button")

        assert (words(button), button["href"]) == (label, f"{PAGE}plan/")

    def test_a_period_that_was_a_trial_is_not_charged_whatever_the_status_is_by_now(
        self, plan: Plan, page: Callable[..., Any]
    ) -> None:
        plan.periods.filter(starts_at=NOV).update(kind=BillingPeriod.Kind.TRIAL)
        Plan.objects.filter(pk=plan.pk).update(status=Status.PAST_DUE)

        text = words(page())

        assert "Payment overdue" in text
        assert "The trial ends at 1 December 2026" in text
        assert "this one is charged" not in text

    def test_while_stripe_is_down_figures_are_shown_and_the_price_explained(
        self, charlie: User, browser_of: Browsers, stripe: StubStripe
    ) -> None:
        stripe.failure = gateway.TemporaryError("down", {})

        text = words(browser_of(charlie).get("/organizations/globex/billing/"))

        assert "Active private series 0" in text
        assert "The price can’t be shown at the moment, because Stripe does not answer" in text


class TestCurl:
    def test_asks_the_api_for_the_same(self, page: Callable[..., Any], settings: Settings) -> None:
        settings.BASE_URL = "https://bencher.example"

        commands = [words(code) for code in soup(page()).select(".curl code")]

        api = "https://bencher.example/v0/organizations/acme"
        assert all('-H "Authorization: Bearer $BENCHER_API_KEY"' in command for command in commands)
        assert [command.rsplit(" ", 1)[1].strip('"') for command in commands] == [
            f"{api}/usage",
            f"{api}/usage/growth",
            f"{api}/usage/series?period=current",
        ]


class TestApi:
    def test_says_the_same_as_the_page(
        self, plan: Plan, alice: User, client: Client, page: Callable[..., Any]
    ) -> None:
        headers = {"authorization": f"Bearer {make_user_key(alice)}"}

        growth = client.get("/v0/organizations/acme/usage/growth", headers=headers).json()

        table = {row[0]: row[1] for row in rows(page(), "growth")[1:]}
        days = [(day["day"], str(day["active_series"])) for day in growth["days"]]
        assert days == [(f"2026-11-{day:02}", table[f"{day} Nov"]) for day in range(1, 19)]
        assert (growth["active_series"], growth["new_series"], growth["missing_series"]) == (
            8,
            5,
            4,
        )
        assert growth["projection"] == {
            "least_series": 8,
            "most_series": 16,
            "least_cents": 10000,
            "most_cents": 10000,
        }
        assert (growth["previous"]["active_series"], len(growth["previous"]["days"])) == (7, 31)

    def test_without_a_plan_has_a_count_and_nothing_to_compare(
        self, charlie: User, client: Client
    ) -> None:
        headers = {"authorization": f"Bearer {make_user_key(charlie)}"}

        growth = client.get("/v0/organizations/globex/usage/growth", headers=headers).json()

        assert (growth["active_series"], growth["days"]) == (0, [])
        assert (growth["projection"], growth["previous"]) == (None, None)


class TestRefresh:
    def test_by_htmx_is_the_figures_and_nothing_else(self, page: Callable[..., Any]) -> None:
        response = page(**{"HX-Request": "true"})

        found = soup(response)
        assert [str(tag.name) for tag in found.find_all(recursive=False)] == ["section"]
        assert "Active private series 8" in words(response)
        assert "HX-Request" in response["Vary"]


class TestQueries:
    @pytest.mark.parametrize(
        ("query", "number"),
        [("", 17), ("?by=testbed", 18), ("?period=last", 8), ("?period=last&by=measure", 9)],
    )
    def test_are_as_many_for_many_projects(
        self,
        acme: Organization,
        page: Callable[..., Any],
        now: datetime,
        query: str,
        number: int,
        django_assert_num_queries: DjangoAssertNumQueries,
    ) -> None:
        for count in range(10):
            project = make_project(f"No {count}", organization=acme, visibility=Visibility.PRIVATE)
            accounts.make_series(project, 2, at=now)

        with django_assert_num_queries(number):
            page(query)
