"""The only package that talks to Stripe: plain values in, frozen values out.

Two kinds of failure come out of it. A TemporaryError may have been applied or not, and is to be
tried again; a RefusedError was answered, will be answered so again, and carries Stripe's words.
"""

from functools import cache

from django.conf import settings

from billing.gateway.checkouts import Checkouts, CheckoutSession
from billing.gateway.customers import Customers
from billing.gateway.errors import (
    Answer,
    GatewayError,
    NotConfiguredError,
    RefusedError,
    TemporaryError,
)
from billing.gateway.invoices import Invoice, InvoiceLine, Invoices
from billing.gateway.meters import Meters
from billing.gateway.prices import Price, Prices
from billing.gateway.subscriptions import Item, Subscription, Subscriptions

__all__ = [
    "Answer",
    "CheckoutSession",
    "Gateway",
    "GatewayError",
    "Invoice",
    "InvoiceLine",
    "Item",
    "NotConfiguredError",
    "Price",
    "RefusedError",
    "Subscription",
    "TemporaryError",
    "connect",
]


class Gateway(Customers, Checkouts, Subscriptions, Prices, Meters, Invoices):
    """Stripe, reached with one key and one pinned version of its API.

    Every method raises TemporaryError and RefusedError. Each noun's calls stand in its module.
    """


def connect() -> Gateway:
    """Return the gateway of the configured key. Raises NotConfiguredError without one."""
    if not settings.STRIPE_SECRET_KEY:
        raise NotConfiguredError("Billing is not configured: STRIPE_SECRET_KEY is not set.")
    return _connect(settings.STRIPE_SECRET_KEY, settings.STRIPE_API_BASE)


@cache
def _connect(key: str, base: str) -> Gateway:
    return Gateway(key=key, base=base)
