"""Cancel, resume and portal: plain forms on the plan's page and on the one before its end."""

from collections.abc import Callable

import pytest
from django.test import Client

from bencher.tenancy.models import Organization, User
from billing import gateway
from billing.models import Cancellation, Plan
from tests.factories import DEC, NOV, make_plan
from tests.pages import accounts
from tests.pages.reading import soup, words
from tests.pages.stub import PORTAL_PAGE, StubStripe

Browsers = Callable[[User], Client]
BILLING = "/organizations/acme/billing/"
PLAN = f"{BILLING}plan/"
CANCEL = f"{BILLING}cancel/"
ACTIONS = ("cancel", "resume", "portal")


@pytest.fixture
def plan(acme: Organization, stripe: StubStripe) -> Plan:
    """Return Acme's plan in November, as the stub has it too."""
    plan = make_plan(acme)
    accounts.make_november(plan)
    stripe.status = "active"
    stripe.customer_id = acme.billing_customer.stripe_customer_id
    stripe.item = (plan.stripe_item_id, plan.stripe_price_id)
    return plan


@pytest.fixture
def browser(alice: User, plan: Plan, browser_of: Browsers) -> Client:
    """Return Alice's browser."""
    return browser_of(alice)


def actions(browser: Client) -> set[str]:
    """Return the last part of where each form and button of the page goes."""
    found = soup(browser.get(PLAN)).select("main form, main a.button")
    targets = [str(each.get("action") or each.get("href")) for each in found]
    return {target.strip("/").rpartition("/")[2] for target in targets}


class TestCancel:
    def test_says_beforehand_what_it_means(self, browser: Client, plan: Plan) -> None:
        accounts.make_event(plan.periods.get(), 240, at=NOV)

        page = words(browser.get(CANCEL))

        assert "The plan ends at 1 December 2026" in page
        assert "The period is billed in full: 0 active series so far, $100.00." in page
        assert "Stripe was told 240." in page
        assert "private projects take no reports" in page

    def test_is_asked_for_on_a_page_of_its_own(self, browser: Client, stripe: StubStripe) -> None:
        assert actions(browser) == {"portal", "cancel"}

        (form,) = soup(browser.get(CANCEL)).select("main form")

        assert (form["action"], form["method"]) == (CANCEL, "post")
        assert words(form) == "Cancel at the end of the period Keep the plan"
        assert stripe.calls == []

    def test_lets_the_plan_end_with_its_period(self, browser: Client, stripe: StubStripe) -> None:
        response = browser.post(f"{BILLING}cancel/", follow=True)

        assert response.redirect_chain == [(PLAN, 302)]
        assert "The plan is canceled: it ends on 1 December 2026" in words(response)
        assert Plan.objects.get().cancel_at_period_end
        assert actions(browser) == {"portal", "resume"}

    def test_can_be_taken_back(self, browser: Client) -> None:
        browser.post(f"{BILLING}cancel/")

        assert "The plan goes on." in words(browser.post(f"{BILLING}resume/", follow=True))
        assert not Plan.objects.get().cancel_at_period_end

    @pytest.mark.parametrize(
        ("failure", "said"),
        [
            (gateway.TemporaryError("down", {}), "Stripe does not answer at the moment."),
            (gateway.RefusedError("no", {}), "Stripe refused, and nothing was changed."),
            (gateway.NotConfiguredError("no key"), "Billing is not configured here"),
        ],
    )
    @pytest.mark.parametrize("action", ACTIONS)
    def test_a_failure_comes_back_with_what_to_do(
        self, browser: Client, stripe: StubStripe, action: str, failure: Exception, said: str
    ) -> None:
        stripe.failure = failure

        assert said in words(browser.post(f"{BILLING}{action}/", follow=True))
        assert not Plan.objects.get().cancel_at_period_end

    def test_is_not_asked_twice(self, browser: Client) -> None:
        browser.post(CANCEL)

        again = browser.get(CANCEL, follow=True)

        assert again.redirect_chain == [(PLAN, 302)]
        assert "There is nothing to cancel" in words(again)

    def test_is_not_offered_while_staff_end_the_plan(self, browser: Client, plan: Plan) -> None:
        Cancellation.objects.create(plan=plan, reason="x", requested_at=NOV, ends_at=DEC)

        assert "This plan is being ended at once" in words(browser.get(PLAN))
        assert actions(browser) == {"portal"}


class TestPortal:
    def test_sends_leaders_there(self, browser: Client, plan: Plan, stripe: StubStripe) -> None:
        response = browser.post(f"{BILLING}portal/")

        assert (response.status_code, response["Location"]) == (303, PORTAL_PAGE)
        assert stripe.calls == [f"portal {plan.organization.billing_customer.stripe_customer_id}"]

    def test_is_there_for_invoices_once_the_plan_has_ended(
        self, browser: Client, plan: Plan
    ) -> None:
        accounts.make_october_statement(plan, series=1, amount_cents=10000)
        Plan.objects.update(ended_at=NOV)

        assert actions(browser) == {"checkout", "portal"}


@pytest.mark.parametrize("action", ACTIONS)
class TestWho:
    def test_members_may_not(
        self, plan: Plan, bob: User, browser_of: Browsers, stripe: StubStripe, action: str
    ) -> None:
        assert browser_of(bob).post(f"{BILLING}{action}/").status_code == 403
        assert stripe.calls == []

    def test_strangers_find_nothing(
        self, plan: Plan, charlie: User, browser_of: Browsers, stripe: StubStripe, action: str
    ) -> None:
        assert browser_of(charlie).post(f"{BILLING}{action}/").status_code == 404
        assert stripe.calls == []

    def test_a_get_changes_nothing(self, browser: Client, stripe: StubStripe, action: str) -> None:
        browser.get(f"{BILLING}{action}/")

        assert stripe.calls == []
        assert not Plan.objects.get().cancel_at_period_end

    def test_needs_the_token_of_our_own_form(self, plan: Plan, alice: User, action: str) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(alice)

        assert client.post(f"{BILLING}{action}/").status_code == 403
