"""A leader's way from signing in to a closed statement, by mouse, by keyboard, without scripts."""

from datetime import timedelta

import pytest
from django.conf import settings

from bencher import clock
from tests.browser import looks
from tests.browser.conftest import Visit
from tests.browser.looks import Look
from tests.browser.visitors import Visitor
from tests.scenario.conftest import Customer, advance, open_period

pytestmark = pytest.mark.usefixtures("worker")


def sign_in(visitor: Visitor, customer: Customer) -> None:
    """Come to the billing page and be asked who one is."""
    visitor.open(f"/organizations/{customer.slug}/billing/")
    visitor.fill("E-mail", customer.leader["leader"])
    visitor.fill("Password", customer.leader["password"])
    visitor.press("Sign in")


def buy_trial(visitor: Visitor) -> None:
    """Start the trial on the plan's page, and pay on Stripe's."""
    visitor.follow("Plan", within=".tabs")
    visitor.press("trial")
    visitor.tick("I agree")
    visitor.press("test card 4242")
    visitor.reads("rial")


def live_through_the_trial() -> None:
    """Let the trial end and its period be closed."""
    advance(open_period().ends_at + settings.BILLING_CLOSE_DELAY + timedelta(minutes=1))


@pytest.mark.parametrize(
    ("look", "keyboard"),
    [
        pytest.param(looks.USUAL, False, id="mouse"),
        pytest.param(looks.PHONE_WITHOUT_SCRIPT, False, id="no-script"),
        pytest.param(looks.PHONE_AT_NIGHT, True, id="keyboard"),
    ],
)
def test_from_signing_in_to_a_statement(
    look: Look, keyboard: bool, visit: Visit, customer: Customer
) -> None:
    leader = visit(look, keyboard=keyboard)
    sign_in(leader, customer)
    buy_trial(leader)
    customer.report(150, to=customer.private)
    leader.open(f"/organizations/{customer.slug}/billing/")
    leader.reads("150")
    leader.follow("Alerts")
    live_through_the_trial()
    leader.open(f"/organizations/{customer.slug}/billing/")
    assert clock.now() is not None
