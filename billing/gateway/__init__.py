"""The only package that talks to Stripe: plain values in, frozen values out.

Two kinds of failure come out of it. A TemporaryError may have been applied or not, and is to be
tried again; a RefusedError was answered, will be answered so again, and carries Stripe's words.
A KeyRefusedError is temporary too, for whatever waits: it is our key that has to change.
"""

from functools import cache

from django.conf import settings

from billing.gateway.checkouts import Checkouts, CheckoutSession
from billing.gateway.credits import CreditGrant, CreditNote, Credits
from billing.gateway.customers import Card, Customers, Payer
from billing.gateway.errors import (
    Answer,
    ForgedError,
    GatewayError,
    KeyRefusedError,
    NotConfiguredError,
    RefusedError,
    TemporaryError,
)
from billing.gateway.invoices import Invoice, InvoiceLine, Invoices
from billing.gateway.meters import Meter, Meters
from billing.gateway.portal import Portal, PortalConfiguration, PortalFeatures
from billing.gateway.prices import Price, Prices, Product
from billing.gateway.schedules import Phase, Schedule, Schedules
from billing.gateway.subscriptions import Item, Subscription, Subscriptions
from billing.gateway.webhooks import (
    EventDestination,
    MeterErrorCount,
    MeterErrorReport,
    SampleError,
    ThinEvent,
    WebhookEndpoint,
    Webhooks,
)

__all__ = [
    "Answer",
    "Card",
    "CheckoutSession",
    "CreditGrant",
    "CreditNote",
    "EventDestination",
    "ForgedError",
    "Gateway",
    "GatewayError",
    "Invoice",
    "InvoiceLine",
    "Item",
    "KeyRefusedError",
    "Meter",
    "MeterErrorCount",
    "MeterErrorReport",
    "NotConfiguredError",
    "Payer",
    "Phase",
    "PortalConfiguration",
    "PortalFeatures",
    "Price",
    "Product",
    "RefusedError",
    "SampleError",
    "Schedule",
    "Subscription",
    "TemporaryError",
    "ThinEvent",
    "WebhookEndpoint",
    "connect",
]


class Gateway(
    Customers,
    Checkouts,
    Subscriptions,
    Schedules,
    Prices,
    Meters,
    Invoices,
    Credits,
    Portal,
    Webhooks,
):
    """Stripe, reached with one key and one pinned version of its API.

    Every call raises TemporaryError and RefusedError. Each noun's calls stand in its module.
    """


def connect() -> Gateway:
    """Return the gateway of the configured key. Raises NotConfiguredError without one."""
    if not settings.STRIPE_SECRET_KEY:
        raise NotConfiguredError("Billing is not configured: STRIPE_SECRET_KEY is not set.")
    return _connect(settings.STRIPE_SECRET_KEY, settings.STRIPE_API_BASE)


@cache
def _connect(key: str, base: str) -> Gateway:
    return Gateway(key=key, base=base)
