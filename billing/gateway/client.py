"""The client under every call: one key, one version, time-outs and retries."""

from collections.abc import Callable
from typing import Any, TypeVar

import stripe
from django.conf import settings

from billing.gateway import errors

CONNECT_TIMEOUT_SECONDS = 3
READ_TIMEOUT_SECONDS = 10
RETRIES = 2
PAGE = 100

T = TypeVar("T")


class Client:
    """What the calls of each noun are made with."""

    def __init__(self, *, key: str, base: str) -> None:
        self._client = _client(key, base, retries=RETRIES)
        # Sending has its own schedule of retries, so the client must not sleep in between.
        self._once = _client(key, base, retries=0)


def ask(request: Callable[[], Any], read: Callable[[Any], T]) -> T:
    """Return what is read from the answer to a request. Raises TemporaryError and RefusedError."""
    try:
        answered = request()
        try:
            return read(answered)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise errors.unreadable(error) from error
    except stripe.StripeError as error:
        raise errors.translated(error) from error


def ask_all(request: Callable[[], Any], read: Callable[[Any], T]) -> list[T]:
    """Return everything of a list, over all its pages. Raises TemporaryError and RefusedError."""
    return ask(request, lambda page: [read(found) for found in page.auto_paging_iter()])


def _client(key: str, base: str, *, retries: int) -> stripe.StripeClient:
    return stripe.StripeClient(
        key,
        stripe_version=settings.STRIPE_API_VERSION,
        base_addresses={"api": base, "meter_events": base},
        max_network_retries=retries,
        http_client=stripe.RequestsClient(timeout=(CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS)),
    )
