"""What Stripe must hold before Pro can be sold: meter, product, price, webhook endpoint.

Everything is found again before it is made, so the command may run any number of times.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.urls import reverse
from djstripe.models import WebhookEndpoint

from billing import gateway
from billing.receivers import WOKEN_BY

METER = "active_series"
PRO_PRODUCT = "prod_pro"
_MARK = {"bencher": "pro"}

# Volume tiers: base fee to 250 series, two step-ups, then a price for every series.
DEFAULT_TIERS: list[dict[str, Any]] = [
    {"up_to": 250, "flat_amount": 10000},
    {"up_to": 375, "flat_amount": 15000},
    {"up_to": 500, "flat_amount": 20000},
    {"up_to": "inf", "unit_amount": 40},
]
# dj-stripe mirrors these too, for staff to see.
MIRRORED = [
    "customer.created",
    "customer.updated",
    "product.created",
    "product.updated",
    "price.created",
    "price.updated",
]


@dataclass(frozen=True, slots=True)
class Found:
    """One thing that Stripe must hold, and whether it had to be made."""

    what: str
    id: str
    made: bool


def run() -> Iterator[Found]:
    """Make what is missing, in order; yields each thing as it is found or made.

    Raises TemporaryError and RefusedError.
    """
    stripe = gateway.connect()
    meter_id, made = _meter(stripe)
    yield Found("meter", meter_id, made)
    product_id, made = _product(stripe)
    yield Found("product", product_id, made)
    price_id, made = _price(stripe, product_id=product_id, meter_id=meter_id)
    yield Found("price", price_id, made)
    endpoint_id, made = _webhook_endpoint(stripe)
    yield Found("webhook endpoint", endpoint_id, made)


def _meter(stripe: gateway.Gateway) -> tuple[str, bool]:
    listed = stripe.ensure(lambda client: client.v1.billing.meters.list({"limit": 100}))
    for meter in listed.data:
        if meter.event_name == METER and meter.status == "active":
            return meter.id, False
    created = stripe.ensure(
        lambda client: client.v1.billing.meters.create(
            {
                "display_name": "Active series",
                "event_name": METER,
                "default_aggregation": {"formula": "last"},
                "customer_mapping": {
                    "type": "by_id",
                    "event_payload_key": "stripe_customer_id",
                },
                "value_settings": {"event_payload_key": "value"},
            }
        )
    )
    return created.id, True


def _product(stripe: gateway.Gateway) -> tuple[str, bool]:
    wanted = settings.ACTIVE_SERIES_PRODUCT or PRO_PRODUCT
    try:
        return stripe.ensure(lambda client: client.v1.products.retrieve(wanted)).id, False
    except gateway.RefusedError as error:
        if not error.is_missing:
            raise
    created = stripe.ensure(
        lambda client: client.v1.products.create(
            {"id": wanted, "name": "Bencher Pro", "metadata": _MARK}
        )
    )
    return created.id, True


def _price(stripe: gateway.Gateway, *, product_id: str, meter_id: str) -> tuple[str, bool]:
    listed = stripe.ensure(
        lambda client: client.v1.prices.list({"product": product_id, "active": True})
    )
    for price in listed.data:
        if price.recurring and price.recurring.meter == meter_id:
            return price.id, False
    parameters: dict[str, Any] = {
        "product": product_id,
        "currency": "usd",
        "billing_scheme": "tiered",
        "tiers_mode": "volume",
        "recurring": {"interval": "month", "usage_type": "metered", "meter": meter_id},
        "tiers": DEFAULT_TIERS,
        "metadata": _MARK,
    }
    created = stripe.ensure(lambda client: client.v1.prices.create(parameters))  # type: ignore[arg-type]
    stripe.ensure(
        lambda client: client.v1.products.update(product_id, {"default_price": created.id})
    )
    return created.id, True


def _webhook_endpoint(stripe: gateway.Gateway) -> tuple[str, bool]:
    listed = stripe.ensure(lambda client: client.v1.webhook_endpoints.list({"limit": 100}))
    at_stripe = {endpoint.id: endpoint for endpoint in listed.data}
    for known in WebhookEndpoint.objects.filter(id__in=at_stripe):
        if known.url == _endpoint_url(known.djstripe_uuid):
            return known.id, False
    uuid = uuid4()
    parameters: dict[str, Any] = {
        "url": _endpoint_url(uuid),
        "enabled_events": WOKEN_BY + MIRRORED,
        "api_version": settings.STRIPE_API_VERSION,
        "metadata": {"djstripe_uuid": str(uuid)},
    }
    created = stripe.ensure(
        lambda client: client.v1.webhook_endpoints.create(parameters)  # type: ignore[arg-type]
    )
    WebhookEndpoint.objects.create(
        id=created.id,
        djstripe_uuid=uuid,
        secret=created.secret,
        url=created.url,
        status=created.status,
        enabled_events=WOKEN_BY + MIRRORED,
        api_version=settings.STRIPE_API_VERSION,
        livemode=settings.STRIPE_LIVE_MODE,
        stripe_data={},
    )
    return created.id, True


def _endpoint_url(uuid: UUID) -> str:
    return settings.BASE_URL + reverse("djstripe:djstripe_webhook_by_uuid", args=[uuid])
