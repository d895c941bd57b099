"""The plan's page in each state: what it offers, what happens next, what can be done."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from bencher.tenancy.models import Organization, User
from billing import gateway
from billing.models import BillingPeriod, Checkout, Plan, Status
from series.models import Visibility
from tests.factories import DEC, NOV, make_plan, make_project
from tests.pages import accounts
from tests.pages.reading import rows, soup, words
from tests.pages.stub import StubStripe

Browsers = Callable[[User], Client]
PAGE = "/organizations/acme/billing/plan/"
ASK_AGAIN = f"{PAGE}ask-again/"


@pytest.fixture
def page(alice: User, acme: Organization, browser_of: Browsers) -> Callable[[], Any]:
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


def coming(response: Any) -> list[str]:
    """Return what the page says of what happens next."""
    return [words(item) for item in soup(response).select("ol.coming li")]


class TestWhoMaySeeIt:
    @pytest.mark.parametrize(("who", "status"), [("bob", 403), ("charlie", 404)])
    @pytest.mark.parametrize("address", [PAGE, "/organizations/acme/billing/cancel/"])
    def test_leaders_only(
        self,
        who: str,
        status: int,
        address: str,
        plan: Plan,
        browser_of: Browsers,
        request: pytest.FixtureRequest,
    ) -> None:
        assert browser_of(request.getfixturevalue(who)).get(address).status_code == status

    def test_the_signed_out_are_asked_to_sign_in(self, acme: Organization, client: Client) -> None:
        assert client.get(PAGE)["Location"] == f"/sign-in/?next={PAGE}"


class TestWithoutAPlan:
    def test_says_what_pro_is_and_offers_the_trial(self, page: Callable[[], Any]) -> None:
        response = page()

        form = soup(response).find("form", class_="offer")
        assert form is not None
        assert form["action"] == "/organizations/acme/billing/checkout/"
        assert words(form).startswith("Start the 30-day trial")
        assert "billed on monthly-active series" in words(response)
        assert ["501 and more", "$0.40 per series"] in rows(response, "price")

    def test_says_in_figures_that_one_band_prices_all(self, page: Callable[[], Any]) -> None:
        text = words(page())

        assert "250 series cost $100.00; 251 cost $150.00. All of them are priced by" in text
        assert "501 series cost 501 × $0.40 = $200.40: each of them counts" in text

    @pytest.mark.parametrize("contact", ["", "sales@bencher.example"])
    def test_names_the_plans_that_are_not_sold_by_a_click(
        self, page: Callable[[], Any], settings: Settings, contact: str
    ) -> None:
        settings.CONTACT_EMAIL = contact

        plans = soup(page()).select_one("dl.plans")

        assert plans is not None
        assert "Team and Enterprise" in words(plans)
        links = [str(link["href"]) for link in plans.select("a")]
        assert links == ([f"mailto:{contact}"] if contact else [])

    def test_offers_no_second_trial(
        self, acme: Organization, alice: User, page: Callable[[], Any]
    ) -> None:
        Checkout.objects.create(
            organization=acme,
            stripe_session_id="cs_old",
            started_by=alice,
            with_trial=True,
            state=Checkout.State.COMPLETED,
            created_at=NOV,
        )

        assert words(soup(page()).find("form", class_="offer")).startswith("Subscribe")

    @pytest.mark.parametrize(
        "unset", [("BILLING_CONFIGURED", False), ("ACTIVE_SERIES_PRODUCT", "")]
    )
    def test_tells_the_operator_what_is_not_configured(
        self,
        page: Callable[[], Any],
        stripe: StubStripe,
        settings: Settings,
        unset: tuple[str, object],
    ) -> None:
        setattr(settings, *unset)

        response = page()

        assert "billing is not configured on this server" in words(response)
        assert "manage.py stripe_setup" in words(response)
        assert soup(response).find("form", class_="offer") is None
        assert stripe.calls == []

    def test_welcomes_back_who_had_one(
        self, acme: Organization, plan: Plan, page: Callable[[], Any]
    ) -> None:
        Plan.objects.filter(pk=plan.pk).update(ended_at=NOV, status=Status.CANCELED)

        response = page()

        assert "Your plan ended on 1 November 2026." in words(response)
        assert "There is no second trial." in words(response)
        assert words(soup(response).find("form", class_="offer")).startswith("Subscribe")

    def test_asks_stripe_for_the_price_only_once(
        self, page: Callable[[], Any], stripe: StubStripe
    ) -> None:
        page()
        page()

        assert stripe.calls == ["price"]


class TestWithAPlan:
    def test_says_what_it_costs_so_far(
        self, acme: Organization, plan: Plan, page: Callable[[], Any], now: datetime
    ) -> None:
        project = make_project("Engine", organization=acme, visibility=Visibility.PRIVATE)
        accounts.make_series(project, 251, at=now)

        facts = words(soup(page()).find("dl", class_="facts"))

        assert "This period 1 November 2026, 00:00:00 UTC until 1 December 2026" in facts
        assert "Left 12 days" in facts
        assert "Active series so far 251" in facts
        assert "Charged at this count $150.00" in facts

    def test_says_what_happens_next(
        self, plan: Plan, page: Callable[[], Any], settings: Settings
    ) -> None:
        settings.BILLING_CLOSE_DELAY = timedelta(minutes=10)

        ends, closed, charged = coming(page())

        assert ends.startswith("1 December 2026, 00:00:00 UTC The period ends")
        assert closed.startswith("1 December 2026, 00:10:00 UTC The count is closed")
        assert charged.startswith("Stripe makes the invoice of it")

    def test_says_when_the_trial_ends(self, acme: Organization, page: Callable[[], Any]) -> None:
        plan = make_plan(acme, status=Status.TRIALING)
        accounts.make_november(plan, kind=BillingPeriod.Kind.TRIAL)

        first, second = coming(page())

        assert first.startswith("1 December 2026, 00:00:00 UTC The trial ends")
        assert second.endswith("charged, once, by its count: 0 series cost $100.00.")

    @pytest.mark.parametrize(
        ("kind", "last"),
        [
            (BillingPeriod.Kind.PAID, "Its last period is charged by its count."),
            (BillingPeriod.Kind.TRIAL, "Nothing is charged."),
        ],
    )
    def test_says_when_a_canceled_one_ends(
        self, acme: Organization, page: Callable[[], Any], kind: BillingPeriod.Kind, last: str
    ) -> None:
        plan = make_plan(acme)
        accounts.make_november(plan, kind=kind)
        Plan.objects.filter(pk=plan.pk).update(cancel_at_period_end=True)

        response = page()
        ends, refused = coming(response)

        assert "Pro Canceled Canceled: the plan ends on 1 December 2026" in words(response)
        assert ends == f"1 December 2026, 00:00:00 UTC The plan ends. {last}"
        assert refused.startswith("2 December 2026, 00:00:00 UTC Private projects take no more")

    def test_says_until_when_an_unpaid_one_is_covered(
        self, acme: Organization, page: Callable[[], Any]
    ) -> None:
        accounts.make_november(make_plan(acme, status=Status.UNPAID))
        Organization.objects.filter(pk=acme.pk).update(private_until=DEC)

        (refused,) = coming(page())

        assert refused.startswith("1 December 2026, 00:00:00 UTC Private projects take no more")

    def test_reminds_of_the_end_of_the_trial(
        self, acme: Organization, page: Callable[[], Any], now: datetime
    ) -> None:
        plan = make_plan(acme, status=Status.TRIALING)
        accounts.make_november(plan, kind=BillingPeriod.Kind.TRIAL)
        plans = Plan.objects.filter(pk=plan.pk)

        plans.update(trial_ends_at=now + timedelta(days=2, hours=5))
        soon = words(page())
        plans.update(trial_ends_at=now + timedelta(days=4))
        later = words(page())

        assert "The trial ends in 2 days. To go on, you need not do anything." in soon
        assert "0 series cost $100.00 a month. To pay nothing, cancel before then." in soon
        assert "To pay nothing" not in later

    @pytest.mark.parametrize("status", [Status.PAST_DUE, Status.UNPAID, Status.INCOMPLETE])
    def test_says_what_is_owed_and_where_to_pay(
        self, acme: Organization, page: Callable[[], Any], status: Status
    ) -> None:
        accounts.make_november(make_plan(acme, status=status))
        accounts.make_invoice(
            acme,
            "ACME-0001",
            created=NOV,
            status="open",
            amount_remaining=12345,
            next_payment_attempt=int(DEC.timestamp()),
        )

        response = page()

        owed = words(soup(response).select_one("[aria-labelledby=owed]"))
        assert owed.startswith("$123.45 is still to be paid That is open on one invoice.")
        assert "charges the card again on 1 December 2026, 00:00:00 UTC" in owed
        assert soup(response).select_one("a[href='https://invoice.stripe.com/i/ACME-0001']")

    def test_says_nothing_of_an_invoice_that_is_about_to_be_charged(
        self, acme: Organization, plan: Plan, page: Callable[[], Any]
    ) -> None:
        accounts.make_invoice(acme, "ACME-0001", created=NOV, status="open", amount_remaining=12345)

        assert soup(page()).find(id="owed") is None

    def test_says_how_long_private_reports_are_taken_after_a_failed_payment(
        self, acme: Organization, page: Callable[[], Any], settings: Settings
    ) -> None:
        settings.PLAN_GRACE_DAYS = 14
        accounts.make_november(make_plan(acme, status=Status.PAST_DUE))

        again, given_up, *others = coming(page())

        assert "charges the card again by itself" in again
        assert "take reports for another 14 days" in given_up
        assert others[0].startswith("1 December 2026")

    @pytest.mark.parametrize("status", [Status.INCOMPLETE, Status.PAUSED])
    def test_promises_nothing_while_nothing_is_counted(
        self, acme: Organization, page: Callable[[], Any], status: Status
    ) -> None:
        accounts.make_november(make_plan(acme, status=status))

        assert coming(page()) == []

    def test_says_that_it_is_held(self, plan: Plan, page: Callable[[], Any]) -> None:
        Plan.objects.filter(pk=plan.pk).update(held_at=NOV, held_why="Stripe bills another item.")

        text = words(page())

        assert "Its price or its item was changed at Stripe" in text
        assert "another item" not in text, "that is for staff"
        assert "The next one is opened once our staff have looked." in text
        assert "the next one counts from zero" not in text

    @pytest.mark.parametrize("status", list(Status))
    def test_has_words_for_every_status(
        self, acme: Organization, page: Callable[[], Any], status: Status
    ) -> None:
        accounts.make_november(make_plan(acme, status=status))

        assert soup(page()).find("p", class_="badge")

    def test_shows_the_last_posted_value_with_its_time_and_delivery(
        self, plan: Plan, page: Callable[[], Any], now: datetime
    ) -> None:
        period = plan.periods.get()
        accounts.make_event(period, 7, at=now - timedelta(hours=2))
        accounts.make_event(period, 12, at=now - timedelta(hours=1))

        text = words(page())

        assert "Last value 12 series As of 18 November 2026, 11:03:07 UTC" in text
        assert "Delivery Waiting to be sent" in text

    def test_says_that_nothing_was_posted(self, plan: Plan, page: Callable[[], Any]) -> None:
        assert "Nothing has been posted in this period yet" in words(page())

    def test_never_asks_stripe(
        self, plan: Plan, page: Callable[[], Any], stripe: StubStripe
    ) -> None:
        page()

        assert stripe.calls == []

    @pytest.mark.parametrize("resumes", [True, False])
    def test_explains_what_waits_while_stripe_does_not_answer(
        self,
        acme: Organization,
        plan: Plan,
        page: Callable[[], Any],
        stripe: StubStripe,
        alice: User,
        browser_of: Browsers,
        resumes: bool,
    ) -> None:
        Plan.objects.filter(pk=plan.pk).update(cancel_at_period_end=resumes)
        stripe.failure = gateway.TemporaryError("down", {})
        browser_of(alice).post("/organizations/acme/billing/portal/")

        response = page()

        assert "The figures here are our own and are right" in words(response)
        assert "Only canceling, resuming and payment must wait" in words(response)
        assert "Active series so far 0" in words(response)
        forms = soup(response).select("main form, main a.button")
        assert [form.get("action") for form in forms] == [ASK_AGAIN]
        done = "resumed" if resumes else "canceled"
        assert f"The plan can be {done} as soon as Stripe answers." in words(response)

    def test_takes_the_same_queries_whatever_there_is(
        self,
        acme: Organization,
        plan: Plan,
        page: Callable[[], Any],
        now: datetime,
        django_assert_num_queries: DjangoAssertNumQueries,
    ) -> None:
        for number in range(10):
            project = make_project(
                f"Project {number}", organization=acme, visibility=Visibility.PRIVATE
            )
            accounts.make_series(project, 1, at=now)

        # Session, user, organization, membership, clock, plan, period, count, last event,
        # runner minutes, customer, its open invoices, customer, whether Stripe answers.
        with django_assert_num_queries(14):
            page()


class TestAskingAgain:
    @pytest.fixture
    def browser(self, acme: Organization, alice: User, browser_of: Browsers) -> Client:
        """Return Alice's browser."""
        return browser_of(alice)

    def test_is_the_only_thing_to_do_while_stripe_is_down(
        self, browser: Client, stripe: StubStripe
    ) -> None:
        stripe.failure = gateway.TemporaryError("down", {})

        response = browser.get(PAGE)

        assert "Only subscribing must wait until it answers." in words(response)
        assert "The 30-day trial can be started as soon as Stripe answers." in words(response)
        assert [form["action"] for form in soup(response).select("main form")] == [ASK_AGAIN]

    def test_brings_everything_back_once_stripe_answers(
        self, browser: Client, stripe: StubStripe
    ) -> None:
        stripe.failure = gateway.TemporaryError("down", {})
        browser.get(PAGE)

        failed = browser.post(ASK_AGAIN, follow=True)
        stripe.failure = None
        answered = browser.post(ASK_AGAIN, follow=True)

        assert "Stripe still does not answer." in words(failed)
        assert "Stripe answers again." in words(answered)
        assert "Start the 30-day trial" in words(answered)
        assert rows(answered, "price")

    def test_fails_in_words_where_nothing_is_configured(
        self, browser: Client, settings: Settings
    ) -> None:
        settings.ACTIVE_SERIES_PRODUCT = ""

        assert "Stripe still does not answer." in words(browser.post(ASK_AGAIN, follow=True))

    def test_asks_about_the_plan_where_there_is_one(
        self, acme: Organization, browser: Client, stripe: StubStripe
    ) -> None:
        plan = make_plan(acme)
        accounts.make_november(plan)
        stripe.status, stripe.customer_id = "active", acme.billing_customer.stripe_customer_id
        stripe.item = (plan.stripe_item_id, plan.stripe_price_id)

        answered = browser.post(ASK_AGAIN, follow=True)

        assert "Stripe answers again." in words(answered)
        assert stripe.calls == ["subscription"]

    @pytest.mark.parametrize(("who", "status"), [("bob", 403), ("charlie", 404)])
    def test_is_for_leaders(
        self,
        who: str,
        status: int,
        acme: Organization,
        browser_of: Browsers,
        stripe: StubStripe,
        request: pytest.FixtureRequest,
    ) -> None:
        other = browser_of(request.getfixturevalue(who))

        assert other.post(ASK_AGAIN).status_code == status
        assert stripe.calls == []

    def test_a_get_asks_nothing(self, browser: Client, stripe: StubStripe) -> None:
        assert browser.get(ASK_AGAIN)["Location"] == PAGE
        assert stripe.calls == []
