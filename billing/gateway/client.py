"""The client under every call: one key, one version, time-outs and retries."""

from collections.abc import Callable
from typing import TypeVar

import stripe
from django.conf import settings

from billing.gateway.errors import translated

CONNECT_TIMEOUT_SECONDS = 3
READ_TIMEOUT_SECONDS = 10
RETRIES = 2

T = TypeVar("T")


class Client:
    """What the calls of each noun are made with."""

    def __init__(self, *, key: str, base: str) -> None:
        self._client = _client(key, base, retries=RETRIES)
        # Sending has its own schedule of retries, so the client must not sleep in between.
        self._once = _client(key, base, retries=0)

    def ensure(self, create: Callable[[stripe.StripeClient], T]) -> T:
        """Run one call of the set-up command against the client."""
        return ask(lambda: create(self._client))


def ask(request: Callable[[], T]) -> T:
    """Return the answer to a request. Raises TemporaryError and RefusedError."""
    try:
        return request()
    except stripe.StripeError as error:
        raise translated(error) from error


def _client(key: str, base: str, *, retries: int) -> stripe.StripeClient:
    return stripe.StripeClient(
        key,
        stripe_version=settings.STRIPE_API_VERSION,
        base_addresses={"api": base, "meter_events": base},
        max_network_retries=retries,
        http_client=stripe.RequestsClient(timeout=(CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS)),
    )
