"""The billing page in each state, and for each kind of person."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from bencher.tenancy.models import Organization, User
from billing import gateway
from billing.models import BillingPeriod, Level, Plan, Status
from series import projects
from series.models import Visibility
from tests.factories import DEC, NOV, make_period, make_plan, make_project
from tests.pages import accounts
from tests.pages.reading import rows, soup, words
from tests.pages.stub import StubStripe

Browsers = Callable[[User], Client]
PAGE = "/organizations/acme/billing/"


@pytest.fixture
def page(alice: User, browser_of: Browsers) -> Callable[[], Any]:
    """Return a function that opens the page as Alice."""
    browser = browser_of(alice)

    def opened() -> Any:
        response = browser.get(PAGE)
        assert response.status_code == 200
        return response

    return opened


@pytest.fixture
def plan(acme: Organization) -> Plan:
    """Return Acme's Pro plan in a paid November."""
    plan = make_plan(acme)
    accounts.make_november(plan)
    return plan


class TestWhoMaySeeIt:
    def test_members_are_told_whom_to_ask(self, bob: User, browser_of: Browsers) -> None:
        response = browser_of(bob).get(PAGE)

        assert response.status_code == 403
        assert "for its leaders, and you are a member. Ask a leader" in words(response)

    def test_strangers_learn_nothing(
        self, acme: Organization, charlie: User, browser_of: Browsers
    ) -> None:
        response = browser_of(charlie).get(PAGE)

        assert response.status_code == 404
        assert "Acme" not in words(response)

    def test_strangers_cannot_tell_it_from_one_that_does_not_exist(
        self, acme: Organization, charlie: User, browser_of: Browsers
    ) -> None:
        theirs = browser_of(charlie).get(PAGE)
        missing = browser_of(charlie).get("/organizations/nobody/billing/")

        assert words(theirs) == words(missing)

    def test_the_signed_out_are_asked_to_sign_in_and_come_back(
        self, acme: Organization, client: Client
    ) -> None:
        assert client.get(PAGE)["Location"] == f"/sign-in/?next={PAGE}"

    def test_is_never_kept_by_a_cache(self, plan: Plan, page: Callable[[], Any]) -> None:
        assert "no-store" in page()["Cache-Control"]


class TestOnPro:
    def test_says_plan_status_and_exact_period(self, plan: Plan, page: Callable[[], Any]) -> None:
        text = words(page())

        assert "Pro Active" in text
        assert "This period is from 1 November 2026, 00:00:00 UTC until 1 December 2026" in text
        assert "one at the last belongs to the next" in text
        assert "12 days left" in text

    def test_says_when_it_counted(self, plan: Plan, page: Callable[[], Any]) -> None:
        assert "Counted at 12:03:" in words(page())

    @pytest.mark.usefixtures("plan")
    @pytest.mark.parametrize(
        "expected",
        [
            (0, "0–250", "$100.00", "250 more fit in this band; 251 series cost $150.00."),
            (250, "0–250", "$100.00", "one more series makes it $150.00."),
            (251, "251–375", "$150.00", "124 more fit in this band; 376 series cost $200.00."),
            (501, "501 and more", "$200.40", "Each further series adds $0.40."),
        ],
    )
    def test_prices_the_count(
        self, acme: Organization, page: Callable[[], Any], expected: tuple[int, str, str, str]
    ) -> None:
        series, band, amount, room = expected
        project = make_project("Engine", organization=acme, visibility=Visibility.PRIVATE)
        accounts.make_series(project, series, at=NOV)

        response = page()

        figures = words(soup(response).find("dl", class_="figures"))
        assert f"Active private series {series} Band {band} " in figures
        assert room in figures
        assert f"Estimate at this count {amount}" in figures
        current = [row for row in rows(response, "price") if "you are here" in row[0]]
        assert [row[0] for row in current] == [f"{band} you are here"]

    def test_breaks_down_by_project_with_the_reason_for_what_is_not_billed(
        self, acme: Organization, plan: Plan, page: Callable[[], Any], now: datetime
    ) -> None:
        engine = make_project("Engine", organization=acme, visibility=Visibility.PRIVATE)
        docs = make_project("Docs", organization=acme, visibility=Visibility.PUBLIC)
        gone = make_project("Gone", organization=acme, visibility=Visibility.PRIVATE)
        for number, project in enumerate((docs, gone, engine), start=1):
            accounts.make_series(project, number, at=now)
        projects.delete(gone, now=now, by=None)

        table = rows(page(), "shares")

        assert table[1:] == [
            ["Engine", "Private", "3", "Billed"],
            ["Gone", "Private, deleted", "2", "Not billed The project is deleted."],
            ["Docs", "Public", "1", "Not billed Public projects are free."],
            ["Billed", "3", ""],
            ["Not billed", "3", ""],
        ]

    def test_counts_no_series_from_outside_the_period(
        self, acme: Organization, plan: Plan, page: Callable[[], Any]
    ) -> None:
        project = make_project("Engine", organization=acme, visibility=Visibility.PRIVATE)
        accounts.make_series(project, 3, at=NOV - timedelta(seconds=1))

        assert "No series has reported in this period yet" in words(page())

    def test_a_trial_says_what_would_be_charged_and_that_nothing_is(
        self, acme: Organization, page: Callable[[], Any]
    ) -> None:
        plan = make_plan(acme, status=Status.TRIALING)
        Plan.objects.filter(pk=plan.pk).update(trial_ends_at=DEC)
        accounts.make_november(plan, kind=BillingPeriod.Kind.TRIAL)

        text = words(page())

        assert "Pro Trial 12 days left Nothing is charged while the trial lasts." in text
        assert "The trial ends at 1 December 2026, 00:00:00 UTC. Each month after it" in text
        assert "at this count that would be $100.00" in text
        assert "Estimate at this count $0.00 The trial covers this period" in text
        assert "without it $100.00 would be charged" in text

    def test_past_due_says_what_to_do(self, acme: Organization, page: Callable[[], Any]) -> None:
        accounts.make_november(make_plan(acme, status=Status.PAST_DUE))

        text = words(page())

        assert "Payment overdue" in text
        assert "under “Payment method and invoices”" in text

    @pytest.mark.parametrize("status", list(Status))
    def test_has_words_for_every_status(
        self, acme: Organization, page: Callable[[], Any], status: Status
    ) -> None:
        accounts.make_november(make_plan(acme, status=status))

        assert soup(page()).find("p", class_="badge")

    def test_says_when_it_ends_for_good(self, plan: Plan, page: Callable[[], Any]) -> None:
        Plan.objects.filter(pk=plan.pk).update(cancel_at_period_end=True)

        text = words(page())

        assert "The plan ends at 1 December 2026, 00:00:00 UTC and is not renewed" in text
        assert "This period is charged once more: $100.00 at this count" in text

    def test_between_two_periods_says_that_the_next_is_on_its_way(
        self, acme: Organization, page: Callable[[], Any]
    ) -> None:
        make_plan(acme)

        text = words(page())

        assert "Stripe has not told us the next one yet" in text
        assert "In the last 30 days" in text

    def test_offers_nothing_to_who_has_a_plan(self, plan: Plan, page: Callable[[], Any]) -> None:
        actions = {form["action"] for form in soup(page()).select("main form")}

        assert not any("checkout" in str(action) for action in actions)

    def test_never_asks_stripe(
        self, plan: Plan, page: Callable[[], Any], stripe: StubStripe
    ) -> None:
        page()

        assert stripe.calls == []

    def test_escapes_names(
        self, acme: Organization, plan: Plan, page: Callable[[], Any], now: datetime
    ) -> None:
        name = "<script>alert(1)</script>"
        project = make_project(name, organization=acme, visibility=Visibility.PRIVATE)
        accounts.make_series(project, 1, at=now)

        assert rows(page(), "shares")[1][0] == name


class TestOnAnOlderPlan:
    def test_says_that_series_are_not_billed(self, plan: Plan, page: Callable[[], Any]) -> None:
        Plan.objects.filter(pk=plan.pk).update(level=Level.TEAM)

        response = page()

        assert "billed by the number of metrics and not by active series" in words(response)
        assert soup(response).find("section", attrs={"aria-labelledby": "price"}) is None


class TestEnded:
    @pytest.fixture
    def ended(self, alice: User, browser_of: Browsers) -> Callable[[str], Any]:
        return lambda which: browser_of(alice).get(f"{PAGE}?period={which}")

    @pytest.mark.parametrize(
        ("difference", "shown"),
        [("", "Agrees"), ("The invoice charges 1 cents.", "Differs The invoice charges 1 cents.")],
    )
    def test_shows_what_was_billed_and_whether_the_invoice_agreed(
        self, plan: Plan, ended: Callable[[str], Any], difference: str, shown: str
    ) -> None:
        statement = accounts.make_october_statement(plan, series=1234, amount_cents=49360)
        accounts.make_settlement(statement, difference=difference)

        text = words(ended("last"))

        assert "From 1 October 2026, 00:00:00 UTC until 1 November 2026, 00:00:00 UTC" in text
        assert f"Billed series 1,234 Amount $493.60 Invoice {shown}" in text

    def test_compares_with_the_period_before(self, plan: Plan, ended: Callable[[str], Any]) -> None:
        accounts.make_october_statement(plan, series=240, amount_cents=10000)
        accounts.make_statement(
            plan, starts_at=accounts.SEP, ends_at=accounts.OCT, series=251, amount_cents=15000
        )

        text = words(ended("last"))

        assert "251 in the period before: −11" in text
        assert "$150.00 in the period before: −$50.00" in text
        assert "1 September 2026" in words(ended("penultimate"))

    def test_says_that_a_period_is_being_closed(
        self, plan: Plan, ended: Callable[[str], Any]
    ) -> None:
        make_period(plan, starts_at=accounts.OCT, ends_at=NOV)

        assert "Being closed" in words(ended("last"))

    @pytest.mark.usefixtures("plan")
    def test_says_that_there_is_none_yet(self, ended: Callable[[str], Any]) -> None:
        assert "There is no such period yet" in words(ended("last"))

    @pytest.mark.usefixtures("plan")
    def test_what_the_address_gets_wrong_is_the_current_one(
        self, ended: Callable[[str], Any]
    ) -> None:
        assert "So far in this period" in words(ended("next"))


class TestWithoutAPlan:
    def test_leads_to_the_plans(self, acme: Organization, page: Callable[[], Any]) -> None:
        response = page()

        assert "No plan Public projects are free." in words(response)
        assert soup(response).select_one("main a.button[href='/organizations/acme/billing/plan/']")

    def test_says_what_the_last_thirty_days_would_cost(
        self, acme: Organization, page: Callable[[], Any], now: datetime
    ) -> None:
        project = make_project("Engine", organization=acme, visibility=Visibility.PRIVATE)
        accounts.make_series(project, 2, at=now - timedelta(days=29))

        text = words(page())

        assert "In the last 30 days" in text
        assert "Active private series 2" in text
        assert "On Pro this would cost $100.00" in text

    def test_asks_stripe_for_the_price_only_once(
        self, acme: Organization, page: Callable[[], Any], stripe: StubStripe
    ) -> None:
        page()
        page()

        assert stripe.calls == ["price"]

    def test_stays_open_while_stripe_is_down(
        self, acme: Organization, page: Callable[[], Any], stripe: StubStripe
    ) -> None:
        stripe.failure = gateway.TemporaryError("down", {})

        response = page()

        assert "Active private series 0" in words(response)
        assert soup(response).find("section", attrs={"aria-labelledby": "price"}) is None


class TestSandboxBanner:
    def test_is_there_in_the_sandbox(self, plan: Plan, page: Callable[[], Any]) -> None:
        assert "Sandbox payments." in words(page())

    def test_is_absent_with_real_payments(
        self, plan: Plan, page: Callable[[], Any], settings: Settings
    ) -> None:
        settings.STRIPE_IS_SANDBOX = False

        assert "Sandbox payments." not in words(page())


class TestQueries:
    def test_do_not_grow_with_projects_and_statements(
        self,
        acme: Organization,
        plan: Plan,
        page: Callable[[], Any],
        now: datetime,
        django_assert_num_queries: DjangoAssertNumQueries,
    ) -> None:
        for starts_at, ends_at in ((accounts.SEP, accounts.OCT), (accounts.OCT, NOV)):
            statement = accounts.make_statement(
                plan, starts_at=starts_at, ends_at=ends_at, series=1, amount_cents=10000
            )
            accounts.make_settlement(statement, difference="")
        for number in range(10):
            project = make_project(
                f"Project {number}", organization=acme, visibility=Visibility.PRIVATE
            )
            accounts.make_series(project, 1, at=now)

        # Session, user, organization, membership, clock, plan, period, runner minutes, count,
        # last event; last statement, its days, the unseen, their names; days, newest names,
        # budgets.
        with django_assert_num_queries(17):
            page()
