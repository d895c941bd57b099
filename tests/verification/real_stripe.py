"""Whether Stripe itself may be asked, and the one hole in the network block that it needs."""

import os
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from pytest_socket import socket_allow_hosts

HOST, PORT = "api.stripe.com", 443
BASE = f"https://{HOST}"
KEY = "STRIPE_TEST_SECRET_KEY"
HERE = ["127.0.0.1", "localhost"]

_TEST_KEY = re.compile(r"sk_test_[A-Za-z0-9]{24,}")


def why_not(environment: Mapping[str, str] = os.environ) -> str:
    """Return why Stripe can't be asked here; empty if it can."""
    if environment.get("CI"):
        return "CI is set: nothing real is called there."
    if not _TEST_KEY.fullmatch(environment.get(KEY, "")):
        return f"{KEY} is not the secret key of a real Stripe account in test mode (sk_test_…)."
    try:
        addresses()
    except OSError as error:
        return f"{HOST} can't be reached from here: {error}."
    return ""


def addresses() -> list[Any]:
    """Return what the name resolves to now. Raises OSError."""
    return socket.getaddrinfo(HOST, PORT, type=socket.SOCK_STREAM)


@contextmanager
def reachable() -> Iterator[None]:
    """Let sockets connect to Stripe's API besides this machine, and to nothing else.

    The block goes by address and Stripe's name has many, so the name keeps the addresses it has at
    the beginning.
    """
    found, own = addresses(), socket.getaddrinfo

    def resolve(host: Any, *more: Any, **named: Any) -> Any:
        return found if host == HOST else own(host, *more, **named)

    allowed = sorted({address[0] for *_, address in found})
    with patch.object(socket, "getaddrinfo", resolve):
        socket_allow_hosts([*HERE, *allowed], allow_unix_socket=True)
        try:
            yield
        finally:
            socket_allow_hosts(HERE, allow_unix_socket=True)
