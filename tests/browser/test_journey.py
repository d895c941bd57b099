"""A leader's way from signing up to a closed statement, by mouse, by keyboard, without scripts."""

from datetime import timedelta

import pytest
from django.conf import settings

from billing import stripe_setup
from tests.browser import autumn, looks
from tests.browser.conftest import Visit, one_at_a_time
from tests.browser.looks import Look
from tests.browser.pages import (
    TABS,
    buy_trial,
    find_cause,
    found_organization,
    make_private_project,
    read_statement,
    set_budget,
    sign_up,
    think_better_of_it,
)
from tests.scenario.conftest import advance, open_period
from tests.stripe_sandbox import Sandbox

pytestmark = [one_at_a_time, pytest.mark.usefixtures("worker")]
OTHERWISE = (looks.PHONE_AT_NIGHT, looks.PHONE_WITHOUT_SCRIPT)
BY_MOUSE = [look for look in looks.ALL_OR_TWO if look not in OTHERWISE]


def live_through_the_trial() -> None:
    """Let the trial end and its period be closed."""
    advance(open_period().ends_at + settings.BILLING_CLOSE_DELAY + timedelta(minutes=1))


@pytest.mark.parametrize(
    ("look", "keyboard"),
    [
        pytest.param(looks.PHONE_WITHOUT_SCRIPT, False, id="no-script"),
        pytest.param(looks.PHONE_AT_NIGHT, True, id="keyboard", marks=pytest.mark.slow),
        *(
            pytest.param(look, False, id=f"mouse-{look}", marks=pytest.mark.slow)
            for look in BY_MOUSE
        ),
    ],
)
def test_from_signing_up_to_a_statement(
    look: Look, keyboard: bool, visit: Visit, site: str, sandbox: Sandbox
) -> None:
    list(stripe_setup.run())
    leader = visit(look, keyboard=keyboard)
    sign_up(leader, name="Alice", email="alice@example.com")
    found_organization(leader, "Acme")
    buy_trial(leader)
    key = make_private_project(leader, "Engine")
    for _ in range(2):
        autumn.report(site, {"slug": "engine", "key": key}, testbed="ci", benchmarks=20)
    find_cause(leader, "sort/64")
    leader.follow("Usage", within=TABS)
    leader.reads("40", within="#figures")
    set_budget(leader, 400)
    think_better_of_it(leader)
    live_through_the_trial()
    read_statement(leader, series=40)
    leader.press("Sign out")
