"""The accounts at which the scenario is lived."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bencher import clock
from billing import gateway
from tests import stripe_sandbox
from tests.sandbox.shop import KEY
from tests.stripe_sandbox import Sandbox
from tests.verification import posing, real_stripe
from tests.verification.account import Account, SandboxTime, TestClockTime
from tests.verification.posing import Posing

START = datetime(2027, 1, 5, 9, 30, tzinfo=UTC)
# All usage of the scenario lies within this time, and none may be older than 35 days at Stripe.
USED_WITHIN = timedelta(days=34)


@pytest.fixture(autouse=True)
def products(settings: Any) -> None:
    """Let set-up choose the products' ids itself, as it does in a fresh account."""
    settings.ACTIVE_SERIES_PRODUCT = ""


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Serve a sandbox at a known instant."""
    with stripe_sandbox.serve(now=int(START.timestamp()), frozen=True) as served:
        yield served


@pytest.fixture
def in_sandbox(sandbox: Sandbox) -> Account:
    """Return the sandbox's account."""
    return sandbox_account(sandbox)


def sandbox_account(sandbox: Sandbox) -> Account:
    """Return a sandbox's account, in the sandbox's time."""
    stripe = gateway.Gateway(key=KEY, base=sandbox.url)
    return Account("the sandbox", stripe, SandboxTime(sandbox))


@pytest.fixture
def posed() -> Iterator[Posing]:
    """Serve a sandbox that poses as an account with test clocks."""
    with posing.serve(Sandbox()) as served:
        yield served


@pytest.fixture
def at_stripe(only_this_machine: None, db: None) -> Iterator[Account]:
    """Return the real account of STRIPE_TEST_SECRET_KEY; skips where there is none."""
    if reason := real_stripe.why_not():
        pytest.skip(reason)
    with real_stripe.reachable():
        stripe = gateway.Gateway(key=os.environ[real_stripe.KEY], base=real_stripe.BASE)
        time = TestClockTime.start(stripe._client, at=clock.now() - USED_WITHIN)
        yield Account("Stripe", stripe, time)
        time.delete()
