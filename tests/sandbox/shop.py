"""What most sandbox tests start from: a client, a meter, a price ladder, a customer."""

from datetime import UTC, datetime
from typing import Any

import stripe

from tests.stripe_sandbox import Sandbox

KEY = "sk_test_sandboxsandboxsandboxsandbox"
DAY = 86400
LADDER: list[Any] = [
    {"up_to": 250, "flat_amount": 10000},
    {"up_to": 375, "flat_amount": 15000},
    {"up_to": 500, "flat_amount": 20000},
    {"up_to": "inf", "unit_amount": 40},
]


def instant(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> int:
    """Return a UTC instant as Stripe writes it."""
    return int(datetime(year, month, day, hour, minute, tzinfo=UTC).timestamp())


JAN = instant(2026, 1, 15, 9, 30)
FEB = instant(2026, 2, 15, 9, 30)
MAR = instant(2026, 3, 15, 9, 30)


def make_client(sandbox: Sandbox, key: str = KEY) -> stripe.StripeClient:
    """Return the real client, pointed at the sandbox."""
    return stripe.StripeClient(
        key, base_addresses={"api": sandbox.url, "meter_events": sandbox.url}
    )


def make_meter(
    client: stripe.StripeClient, event_name: str = "active_series", formula: Any = "last"
) -> stripe.billing.Meter:
    """Create a meter."""
    return client.v1.billing.meters.create(
        {
            "display_name": event_name,
            "event_name": event_name,
            "default_aggregation": {"formula": formula},
        }
    )


def make_price(
    client: stripe.StripeClient, meter: stripe.billing.Meter, mode: Any = "volume", **more: Any
) -> stripe.Price:
    """Create a product with a metered, tiered, monthly price."""
    product = client.v1.products.create({"name": "Pro"})
    params: Any = {
        "currency": "usd",
        "product": product.id,
        "billing_scheme": "tiered",
        "tiers_mode": mode,
        "tiers": LADDER,
        "recurring": {"interval": "month", "usage_type": "metered", "meter": meter.id},
        **more,
    }
    return client.v1.prices.create(params)


def make_customer(client: stripe.StripeClient, *, card: str | None = None) -> stripe.Customer:
    """Create a customer, with a default card if one is named."""
    if card is None:
        return client.v1.customers.create({"name": "Acme"})
    customer = client.v1.customers.create({"name": "Acme", "payment_method": card})
    method = client.v1.customers.payment_methods.list(customer.id).data[0]
    return client.v1.customers.update(
        customer.id, {"invoice_settings": {"default_payment_method": method.id}}
    )


def subscribe(
    client: stripe.StripeClient, customer: stripe.Customer, price: stripe.Price, **more: Any
) -> stripe.Subscription:
    """Subscribe a customer to a price."""
    params: Any = {"customer": customer.id, "items": [{"price": price.id}], **more}
    return client.v1.subscriptions.create(params)


def use(
    client: stripe.StripeClient,
    customer: stripe.Customer,
    value: int | str,
    at: int,
    event_name: str = "active_series",
    **more: Any,
) -> stripe.billing.MeterEvent:
    """Post usage."""
    params: Any = {
        "event_name": event_name,
        "timestamp": at,
        "payload": {"stripe_customer_id": customer.id, "value": str(value)},
        **more,
    }
    return client.v1.billing.meter_events.create(params)


def invoices(
    client: stripe.StripeClient, subscription: stripe.Subscription, **more: Any
) -> list[stripe.Invoice]:
    """Return the invoices of a subscription, newest first."""
    params: Any = {"subscription": subscription.id, "limit": 100, **more}
    return list(client.v1.invoices.list(params).data)


def period(subscription: stripe.Subscription) -> tuple[int, int]:
    """Return the current period of the first item."""
    item = subscription["items"].data[0]
    return item.current_period_start, item.current_period_end
