"""Two servers to call: the sandbox, and one that answers what it is told."""

from collections.abc import Iterator

import pytest

from billing import gateway
from tests import stripe_sandbox
from tests.billing.gateway import scripted
from tests.billing.gateway.scripted import KEY, Script
from tests.sandbox.shop import JAN
from tests.stripe_sandbox import Sandbox


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Serve a sandbox that stands still at a known instant."""
    with stripe_sandbox.serve(now=JAN, frozen=True) as served:
        yield served


@pytest.fixture
def stripe(sandbox: Sandbox) -> gateway.Gateway:
    """Return a gateway to the sandbox."""
    return gateway.Gateway(key=KEY, base=sandbox.url)


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[Script]:
    """Serve whatever the test says; the client's own retries do not sleep."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    with scripted.serve() as served:
        yield served
