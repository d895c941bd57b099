"""A leader's way from signing in to a closed statement, by mouse, by keyboard, without scripts."""

from datetime import timedelta

import pytest
from django.conf import settings

from tests.browser import looks
from tests.browser.conftest import Visit
from tests.browser.looks import Look
from tests.browser.pages import (
    TABS,
    buy_trial,
    read_statement,
    set_budget,
    sign_in,
    think_better_of_it,
)
from tests.scenario.conftest import Customer, advance, open_period

pytestmark = pytest.mark.usefixtures("worker")


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
    leader.follow("Usage", within=TABS)
    leader.reads("150")
    set_budget(leader, 400)
    think_better_of_it(leader)
    live_through_the_trial()
    read_statement(leader, series=150)
