"""To Stripe's checkout and back."""

from collections.abc import Callable

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from bencher.tenancy.models import Organization, User
from billing import checkout_views, gateway
from billing.models import Checkout, Plan
from tests.factories import make_plan
from tests.pages.reading import words
from tests.pages.stub import CHECKOUT_PAGE, StubStripe

Browsers = Callable[[User], Client]
BILLING = "/organizations/acme/billing/"
PLAN = f"{BILLING}plan/"
START = f"{BILLING}checkout/"
RETURN = f"{BILLING}checkout/complete/?checkout=cs_test_1"


@pytest.fixture
def browser(acme: Organization, alice: User, browser_of: Browsers) -> Client:
    """Return Alice's browser."""
    return browser_of(alice)


class TestStart:
    def test_sends_leaders_to_stripes_page(self, browser: Client, stripe: StubStripe) -> None:
        response = browser.post(START)

        assert (response.status_code, response["Location"]) == (303, CHECKOUT_PAGE)
        assert stripe.trial_days == 30

    def test_twice_goes_to_the_same_checkout(self, browser: Client) -> None:
        browser.post(START)
        again = browser.post(START)

        assert again["Location"] == CHECKOUT_PAGE
        assert Checkout.objects.count() == 1

    @pytest.mark.parametrize("method", ["get", "post"])
    def test_members_may_not(
        self, bob: User, browser_of: Browsers, stripe: StubStripe, method: str
    ) -> None:
        assert getattr(browser_of(bob), method)(START).status_code == 403
        assert stripe.calls == []

    @pytest.mark.parametrize("method", ["get", "post"])
    def test_strangers_find_nothing(
        self,
        acme: Organization,
        charlie: User,
        browser_of: Browsers,
        stripe: StubStripe,
        method: str,
    ) -> None:
        assert getattr(browser_of(charlie), method)(START).status_code == 404
        assert stripe.calls == []

    def test_needs_the_token_of_our_own_form(self, acme: Organization, alice: User) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(alice)

        response = client.post(START)

        assert response.status_code == 403
        assert "Please send the form again" in words(response)

    def test_a_get_starts_nothing(self, browser: Client, stripe: StubStripe) -> None:
        assert browser.get(START)["Location"] == PLAN
        assert stripe.calls == []

    @pytest.mark.parametrize(
        ("failure", "said"),
        [
            (gateway.TemporaryError("down", {}), "Nothing was charged; try again in a minute."),
            (gateway.RefusedError("no", {}), "Stripe refused."),
            (gateway.NotConfiguredError("no key"), "billing is not configured"),
        ],
    )
    def test_a_failure_comes_back_with_what_to_do(
        self, browser: Client, stripe: StubStripe, failure: Exception, said: str
    ) -> None:
        browser.get(PLAN)
        stripe.failure = failure

        response = browser.post(START, follow=True)

        assert response.redirect_chain == [(PLAN, 302)]
        assert said in words(response)

    def test_a_second_plan_is_not_sold(
        self, acme: Organization, browser: Client, stripe: StubStripe
    ) -> None:
        make_plan(acme)

        response = browser.post(START, follow=True)

        assert "has a plan already; it is shown below" in words(response)
        assert stripe.calls == ["subscription"], "what is live, Stripe says"

    @pytest.mark.parametrize(
        "unset", [("BILLING_CONFIGURED", False), ("ACTIVE_SERIES_PRODUCT", "")]
    )
    def test_sells_nothing_while_billing_is_not_configured(
        self, browser: Client, stripe: StubStripe, settings: Settings, unset: tuple[str, object]
    ) -> None:
        setattr(settings, *unset)

        assert checkout_views.NOT_SOLD in words(browser.post(START, follow=True))
        assert stripe.calls == []


class TestReturn:
    def test_welcomes_and_shows_the_plan(self, browser: Client, stripe: StubStripe) -> None:
        browser.post(START)
        stripe.checkout_status = "complete"

        response = browser.get(RETURN, follow=True)

        assert response.redirect_chain == [(PLAN, 302)]
        assert "The trial of Pro has begun." in words(response)
        assert "Pro Trial" in words(response)

    def test_says_so_without_a_trial(self, browser: Client, stripe: StubStripe) -> None:
        browser.post(START)
        stripe.checkout_status, stripe.status = "complete", "active"

        assert "The subscription to Pro is complete." in words(browser.get(RETURN, follow=True))

    def test_is_harmless_when_repeated(self, browser: Client, stripe: StubStripe) -> None:
        browser.post(START)
        stripe.checkout_status = "complete"

        browser.get(RETURN)
        again = browser.get(RETURN, follow=True)

        assert "The trial of Pro has begun." in words(again)
        assert Plan.objects.count() == 1

    def test_says_when_the_checkout_is_not_completed(self, browser: Client) -> None:
        browser.post(START)

        response = browser.get(RETURN, follow=True)

        assert "The checkout is not completed yet." in words(response)
        assert not Plan.objects.exists()

    def test_says_when_stripe_does_not_answer(self, browser: Client, stripe: StubStripe) -> None:
        browser.post(START)
        stripe.failure = gateway.TemporaryError("down", {})

        assert "It appears here by itself" in words(browser.get(RETURN, follow=True))

    def test_a_second_subscription_is_not_used(
        self, acme: Organization, browser: Client, stripe: StubStripe
    ) -> None:
        browser.post(START)
        make_plan(acme)
        stripe.checkout_status = "complete"

        response = browser.get(RETURN, follow=True)

        assert "so the second subscription is not used" in words(response)
        assert "cancel sub_stub" in stripe.calls

    def test_knows_no_checkout_of_another_organization(
        self, acme: Organization, charlie: User, browser_of: Browsers, browser: Client
    ) -> None:
        browser.post(START)

        theirs = browser_of(charlie).get(RETURN.replace("acme", "globex"))

        assert theirs.status_code == 404

    def test_knows_no_checkout_that_it_did_not_start(
        self, browser: Client, stripe: StubStripe
    ) -> None:
        assert browser.get(RETURN).status_code == 404
        assert browser.get(f"{RETURN}%00").status_code == 404
        assert browser.get(RETURN.partition("?")[0]).status_code == 404
        assert stripe.calls == []

    def test_members_may_not(self, bob: User, browser_of: Browsers) -> None:
        assert browser_of(bob).get(RETURN).status_code == 403

    def test_strangers_find_nothing(
        self, acme: Organization, charlie: User, browser_of: Browsers
    ) -> None:
        assert browser_of(charlie).get(RETURN).status_code == 404
