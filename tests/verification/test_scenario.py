"""The scenario tells how an account behaves, and the sandbox behaves as Stripe does."""

import sys
from datetime import timedelta
from typing import Any

import pytest

from billing import gateway
from tests import stripe_sandbox
from tests.sandbox.shop import KEY
from tests.stripe_sandbox import Sandbox
from tests.stripe_sandbox.world import Switches
from tests.verification import scenario
from tests.verification.account import Account, TestClockTime
from tests.verification.conftest import START, sandbox_account
from tests.verification.observing import Observed, differences, table
from tests.verification.posing import CLOCK, Posing

# What Stripe does not document: what the sandbox does where its switch is not at its default.
OTHERWISE: dict[str, Any] = {
    "last_by": "receipt",
    "ties": "first",
    "drafts_refreshed": "finalization",
    "flat_fee_at_zero": False,
    "final_invoice": "immediate",
    "phase_bills_ended_period": False,
}
# Of what must be equal, that without which no bill of ours would be right.
COUNTED_ON: dict[str, Any] = {
    "trial: status afterwards": "active",
    "trial: next period starts at its end": True,
    "cancel now: invoice": ("paid", 15000, 260),
    "return: nothing is billed twice": 0,
    "return: preview": (120, 10000),
    "the same meter event again: refused": {
        "status": 400,
        "code": None,
        "is missing": False,
        "is duplicate": True,
    },
    "a subscription of nobody: refused": {
        "status": 404,
        "code": "resource_missing",
        "is missing": True,
        "is duplicate": False,
    },
    "month: still a draft after its hour": "draft",
    "month: invoice": ("paid", 300, 15000, 15000),
    "month: agrees with our price": True,
    "quiet: invoice": ("paid", 0),
    "quiet: drawn from the credit": 5000,
}


def switched(sandbox: Sandbox, values: dict[str, Any]) -> None:
    """Set switches of a sandbox."""
    for name, value in values.items():
        setattr(sandbox.switches, name, value)


def known(observed: Observed) -> dict[str, Any]:
    """Return the switches that were seen at a value that a sandbox can have."""
    return {
        name: value
        for name, value in observed.switches.items()
        if value in (getattr(Switches(), name), OTHERWISE[name])
    }


def differing_from_a_sandbox_like_it(observed: Observed) -> list[str]:
    """Live through the scenario in a sandbox that is switched likewise; return what differs."""
    with stripe_sandbox.serve(now=int(START.timestamp()), frozen=True) as sandbox:
        switched(sandbox, known(observed))
        ours = scenario.live(sandbox_account(sandbox))
    sys.stdout.write("\n" + table(ours, observed) + "\n")
    return differences(ours, observed)


class TestInTheSandbox:
    def test_sees_what_we_count_on(self, in_sandbox: Account) -> None:
        observed = scenario.live(in_sandbox)

        assert observed.switches == {name: getattr(Switches(), name) for name in OTHERWISE}
        assert observed.lag == timedelta(0)
        for what, expected in COUNTED_ON.items():
            assert observed.facts[what] == expected, what

    @pytest.mark.parametrize("name", OTHERWISE)
    def test_tells_each_switch_by_what_happens(
        self, sandbox: Sandbox, in_sandbox: Account, name: str
    ) -> None:
        setattr(sandbox.switches, name, OTHERWISE[name])

        observed = scenario.live(in_sandbox)

        expected = {name: getattr(Switches(), name) for name in OTHERWISE}
        assert observed.switches == expected | {name: OTHERWISE[name]}

    def test_tells_how_long_the_meter_takes(self, sandbox: Sandbox, in_sandbox: Account) -> None:
        sandbox.switches.aggregation_lag_seconds = 600

        observed = scenario.live(in_sandbox)

        assert timedelta(seconds=600) <= observed.lag <= timedelta(seconds=660)
        assert observed.switches == {name: getattr(Switches(), name) for name in OTHERWISE}


class TestPosingAsStripe:
    """What is done at Stripe is done here at the sandbox, behind test clocks and over HTTP."""

    def test_is_the_same_scenario_on_a_test_clock(self, posed: Posing) -> None:
        # Where receipt decides there are no ties.
        switches = OTHERWISE | {"last_by": "timestamp"}
        switched(posed.sandbox, switches)
        posed.sandbox.switches.aggregation_lag_seconds = 60

        observed = scenario.live(posed_account(posed))

        assert posed.bound == 3
        assert f"POST /{CLOCK}/advance" in posed.asked
        assert observed.switches == switches
        assert differing_from_a_sandbox_like_it(observed) == []

    def test_what_the_sandbox_does_otherwise_is_named(self, posed: Posing) -> None:
        posed.sandbox.switches.draft_seconds = 4 * 3600

        observed = scenario.live(posed_account(posed))

        found = differing_from_a_sandbox_like_it(observed)
        assert any(sentence.startswith("cancel now: invoice: ") for sentence in found)

    def test_the_clock_is_deleted_in_the_end(self, posed: Posing) -> None:
        time = posed_account(posed).time
        assert isinstance(time, TestClockTime)

        time.delete()

        assert posed.asked[-1] == f"DELETE /{CLOCK}"


def posed_account(posed: Posing) -> Account:
    """Return an account on a test clock; what would be waited passes at the sandbox."""
    stripe = gateway.Gateway(key=KEY, base=posed.sandbox.url)
    time = TestClockTime.start(
        stripe._client,
        at=START,
        sleep=lambda seconds: posed.sandbox.advance(posed.sandbox.clock.now() + int(seconds)),
    )
    return Account("the sandbox on a test clock", stripe, time)


@pytest.mark.stripe
class TestAtStripe:
    def test_is_as_in_the_sandbox(self, at_stripe: Account) -> None:
        observed = scenario.live(at_stripe)

        differing = differing_from_a_sandbox_like_it(observed)
        assert known(observed) == observed.switches, "Stripe does what no switch can"
        assert differing == []
