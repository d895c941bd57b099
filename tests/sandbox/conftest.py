"""A sandbox per test, standing still at a known instant."""

from collections.abc import Iterator

import pytest
import stripe

from tests import stripe_sandbox
from tests.sandbox.shop import JAN, make_client
from tests.stripe_sandbox import Sandbox


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with stripe_sandbox.serve(now=JAN, frozen=True) as served:
        yield served


@pytest.fixture
def client(sandbox: Sandbox) -> stripe.StripeClient:
    return make_client(sandbox)
