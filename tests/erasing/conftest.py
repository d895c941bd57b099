"""A sandbox in which Pro can be sold."""

import pytest

from billing import stripe_setup
from tests.stripe_sandbox import Sandbox


@pytest.fixture
def shop(db: None, sandbox: Sandbox) -> Sandbox:
    """Return a sandbox in which Pro can be sold."""
    list(stripe_setup.run())
    return sandbox
