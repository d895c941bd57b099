"""Nobody asks Stripe by mistake, and who does reaches nothing else."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pytest_socket import SocketConnectBlockedError

from tests.verification import real_stripe

REAL = {real_stripe.KEY: "sk_test_" + "51" * 20}
# Stands for Stripe's address: of this machine, and blocked like any other.
STANDS_FOR_STRIPE = "127.0.0.2"


@pytest.fixture
def resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Stripe's name resolve to an address at which nobody listens."""
    own = socket.getaddrinfo

    def resolve(host: Any, *more: Any, **named: Any) -> Any:
        return own(STANDS_FOR_STRIPE if host == real_stripe.HOST else host, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


@contextmanager
def blocked() -> Iterator[None]:
    """Expect that the network block refuses what is done inside."""
    with pytest.raises(SocketConnectBlockedError), pytest.warns(UserWarning, match="tried to use"):
        yield


def connect(host: str) -> None:
    with socket.create_connection((host, real_stripe.PORT), timeout=1):
        pass


class TestWhyNot:
    @pytest.mark.parametrize(
        "key",
        ["", "sk_live_" + "51" * 20, "rk_live_" + "51" * 20, "pk_test_" + "51" * 20, "sk_test_x"],
    )
    def test_says_that_there_is_no_real_test_key(self, key: str, resolved: None) -> None:
        assert real_stripe.why_not({real_stripe.KEY: key}) == (
            "STRIPE_TEST_SECRET_KEY is not the secret key of a real Stripe account in test mode"
            " (sk_test_…)."
        )

    def test_says_that_stripe_is_out_of_reach(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def unknown(*_: Any, **__: Any) -> Any:
            raise socket.gaierror("Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", unknown)

        assert real_stripe.why_not(REAL).startswith("api.stripe.com can't be reached from here: ")

    def test_never_asks_in_ci(self, resolved: None) -> None:
        assert real_stripe.why_not(REAL | {"CI": "true"}) == (
            "CI is set: nothing real is called there."
        )

    def test_asks_with_a_real_key(self, resolved: None) -> None:
        assert real_stripe.why_not(REAL) == ""


class TestReachable:
    def test_lets_stripe_through_for_a_while(self, resolved: None) -> None:
        with real_stripe.reachable(), pytest.raises(ConnectionRefusedError):
            connect(real_stripe.HOST)

        with blocked():
            connect(real_stripe.HOST)

    @pytest.mark.parametrize("host", ["127.0.0.3", "192.0.2.1"])
    def test_lets_nothing_else_through(self, resolved: None, host: str) -> None:
        with real_stripe.reachable(), blocked():
            connect(host)
