"""The only module that talks to Stripe: plain values in, frozen values out.

Two kinds of failure come out of it. A TemporaryError may have been applied or not, and is to be
tried again; a RefusedError was answered, will be answered so again, and carries Stripe's words.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar

import stripe
from django.conf import settings

CONNECT_TIMEOUT_SECONDS = 3
READ_TIMEOUT_SECONDS = 10
_RETRIES = 2

T = TypeVar("T")
Answer = dict[str, Any]


class GatewayError(Exception):
    """Stripe did not do what was asked; `answer` is what it said."""

    def __init__(self, message: str, answer: Answer) -> None:
        super().__init__(message)
        self.answer = answer


class TemporaryError(GatewayError):
    """No answer, an overload or a fault of Stripe's: unknown whether it was applied."""


class RefusedError(GatewayError):
    """Stripe refused, and would again."""

    @property
    def is_missing(self) -> bool:
        """Tell whether the object is gone, which is not the same as unknown."""
        return bool(self.answer.get("status") == 404)

    @property
    def is_duplicate(self) -> bool:
        """Tell whether a meter event's identifier was used: then it was delivered before."""
        return "identifier" in str(self.answer.get("message", "")) and (
            self.answer.get("code") == "duplicate_meter_event"
            or "already exists" in str(self.answer.get("message", ""))
        )


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a subscription, with its current period."""

    id: str
    price_id: str
    product_id: str
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription as Stripe has it now."""

    id: str
    customer_id: str
    status: str
    items: tuple[Item, ...]
    organization_uuid: str
    cancel_at_period_end: bool
    trial_ends_at: datetime | None
    started_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class CheckoutSession:
    """A hosted checkout."""

    id: str
    url: str
    status: str
    customer_id: str
    organization_uuid: str
    subscription_id: str


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """A line of an invoice; amounts in cents."""

    price_id: str
    quantity: int | None
    amount_cents: int
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Invoice:
    """An invoice with its lines; amounts in cents."""

    id: str
    status: str
    subscription_id: str
    lines: tuple[InvoiceLine, ...]


@dataclass(frozen=True, slots=True)
class Price:
    """A price with its tiers, as Stripe gives them."""

    id: str
    product_id: str
    currency: str
    meter_id: str
    tiers: tuple[dict[str, Any], ...]
    tiers_mode: str


class Gateway:
    """Stripe, reached with one key and one pinned version of its API."""

    def __init__(self, *, key: str, base: str) -> None:
        self._client = stripe.StripeClient(
            key,
            stripe_version=settings.STRIPE_API_VERSION,
            base_addresses={"api": base, "meter_events": base},
            max_network_retries=_RETRIES,
            http_client=stripe.RequestsClient(
                timeout=(CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS)
            ),
        )
        # Sending has its own schedule of retries, so the client must not sleep in between.
        self._once = stripe.StripeClient(
            key,
            stripe_version=settings.STRIPE_API_VERSION,
            base_addresses={"api": base, "meter_events": base},
            max_network_retries=0,
            http_client=stripe.RequestsClient(
                timeout=(CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS)
            ),
        )

    def customer(self, *, name: str, email: str, organization_uuid: str) -> str:
        """Create an organization's customer and return its id; a repeat returns the same.

        What may differ when it is repeated, as by another leader, is told in a second call:
        Stripe refuses one idempotency key with two sets of parameters.
        """
        created = _call(
            lambda: self._client.v1.customers.create(
                {"metadata": {"organization": organization_uuid}},
                {"idempotency_key": f"customer-{organization_uuid}"},
            )
        )
        _call(lambda: self._client.v1.customers.update(created.id, {"name": name, "email": email}))
        return created.id

    def start_checkout(
        self,
        *,
        customer_id: str,
        organization_uuid: str,
        price_ids: list[str],
        trial_days: int | None,
        success_url: str,
        cancel_url: str,
    ) -> CheckoutSession:
        """Open a hosted checkout for a subscription; metered items carry no quantity."""
        subscription: dict[str, Any] = {"metadata": {"organization": organization_uuid}}
        if trial_days:
            subscription["trial_period_days"] = trial_days
        parameters: dict[str, Any] = {
            "mode": "subscription",
            "customer": customer_id,
            "client_reference_id": organization_uuid,
            "line_items": [{"price": price} for price in price_ids],
            "subscription_data": subscription,
            "success_url": success_url,
            "cancel_url": cancel_url,
        }
        created = _call(
            lambda: self._client.v1.checkout.sessions.create(parameters)  # type: ignore[arg-type]
        )
        return _checkout(created)

    def checkout(self, session_id: str) -> CheckoutSession:
        """Return a checkout as it is now."""
        return _checkout(_call(lambda: self._client.v1.checkout.sessions.retrieve(session_id)))

    def expire_checkout(self, session_id: str) -> None:
        """Expire an open checkout, so that nobody can complete it any more."""
        _call(lambda: self._client.v1.checkout.sessions.expire(session_id))

    def subscribe(
        self,
        *,
        customer_id: str,
        organization_uuid: str,
        price_ids: list[str],
        trial_days: int | None,
    ) -> Subscription:
        """Create a subscription without a checkout, as staff do for a customer."""
        parameters: dict[str, Any] = {
            "customer": customer_id,
            "items": [{"price": price} for price in price_ids],
            "metadata": {"organization": organization_uuid},
        }
        if trial_days:
            parameters["trial_period_days"] = trial_days
        created = _call(
            lambda: self._client.v1.subscriptions.create(parameters)  # type: ignore[arg-type]
        )
        return _subscription(created)

    def subscription(self, subscription_id: str) -> Subscription:
        """Return a subscription as it is now."""
        return _subscription(_call(lambda: self._client.v1.subscriptions.retrieve(subscription_id)))

    def price(self, price_id: str) -> Price:
        """Return a price with its tiers."""
        found = _call(lambda: self._client.v1.prices.retrieve(price_id, {"expand": ["tiers"]}))
        return _price(found)

    def metered_price_of(self, product_id: str) -> Price:
        """Return a product's default price, or its only active one, with its tiers."""
        product = _call(lambda: self._client.v1.products.retrieve(product_id))
        if product.default_price:
            return self.price(_id(product.default_price))
        listed = _call(lambda: self._client.v1.prices.list({"product": product_id, "active": True}))
        if len(listed.data) != 1:
            raise RefusedError(
                f"Product {product_id} has {len(listed.data)} active prices and no default one;"
                " give it a default price.",
                {"status": 200},
            )
        return self.price(listed.data[0].id)

    def post_meter_event(
        self, *, event_name: str, customer_id: str, value: int, timestamp: datetime, identifier: str
    ) -> Answer:
        """Post one meter event, once; the sender keeps the retries. Returns Stripe's answer."""
        sent = _call(
            lambda: self._once.v1.billing.meter_events.create(
                {
                    "event_name": event_name,
                    "identifier": identifier,
                    "timestamp": int(timestamp.timestamp()),
                    "payload": {"stripe_customer_id": customer_id, "value": str(value)},
                }
            )
        )
        return {"status": 200, "identifier": sent.identifier, "created": sent.created}

    def summary(
        self, *, meter_id: str, customer_id: str, starts_at: datetime, ends_at: datetime
    ) -> int:
        """Return what a meter holds for a customer between two whole minutes."""
        listed = _call(
            lambda: self._client.v1.billing.meters.event_summaries.list(
                meter_id,
                {
                    "customer": customer_id,
                    "start_time": int(starts_at.timestamp()),
                    "end_time": int(ends_at.timestamp()),
                },
            )
        )
        return int(listed.data[0].aggregated_value) if listed.data else 0

    def invoice(self, invoice_id: str) -> Invoice:
        """Return an invoice with its lines as it is now."""
        return _invoice(_call(lambda: self._client.v1.invoices.retrieve(invoice_id)))

    def invoices_of(self, subscription_id: str) -> list[Invoice]:
        """Return a subscription's latest invoices, newest first, with their lines."""
        listed = _call(
            lambda: self._client.v1.invoices.list({"subscription": subscription_id, "limit": 24})
        )
        return [_invoice(found) for found in listed.data]

    def ensure(self, create: Callable[[stripe.StripeClient], T]) -> T:
        """Run one call of the set-up command against the client."""
        return _call(lambda: create(self._client))


@cache
def _connect(key: str, base: str) -> Gateway:
    return Gateway(key=key, base=base)


class NotConfiguredError(Exception):
    """No Stripe key is set, so nothing is sold."""


def connect() -> Gateway:
    """Return the gateway of the configured key. Raises NotConfiguredError without one."""
    if not settings.STRIPE_SECRET_KEY:
        raise NotConfiguredError("Billing is not configured: STRIPE_SECRET_KEY is not set.")
    return _connect(settings.STRIPE_SECRET_KEY, settings.STRIPE_API_BASE)


def _call(request: Callable[[], T]) -> T:
    try:
        return request()
    except (stripe.RateLimitError, stripe.APIConnectionError) as error:
        raise TemporaryError(str(error), _answer(error)) from error
    except stripe.StripeError as error:
        kind = TemporaryError if (error.http_status or 500) >= 500 else RefusedError
        # Stripe marks what may be tried again, such as a lock it could not get in time.
        if error.http_status == 409:
            kind = TemporaryError
        raise kind(str(error), _answer(error)) from error


def _answer(error: stripe.StripeError) -> Answer:
    return {
        "status": error.http_status,
        "code": error.code,
        "message": error.user_message or str(error),
        "request_id": error.request_id,
    }


def _at(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, tz=UTC)


def _known(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, tz=UTC)


def _id(reference: Any) -> str:
    """Return the id of a reference that may be expanded; empty for none."""
    if reference is None:
        return ""
    return reference if isinstance(reference, str) else str(reference.id)


def _metadata(found: Any) -> dict[str, str]:
    return found.metadata.to_dict() if found.metadata else {}


def _subscription(found: Any) -> Subscription:
    # dj-stripe gives StripeObject a method called items, so the field needs its brackets.
    items = tuple(
        Item(
            id=item.id,
            price_id=item.price.id,
            product_id=_id(item.price.product),
            starts_at=_known(item.current_period_start),
            ends_at=_known(item.current_period_end),
        )
        for item in found["items"].data
    )
    return Subscription(
        id=found.id,
        customer_id=_id(found.customer),
        status=found.status,
        items=items,
        organization_uuid=_metadata(found).get("organization", ""),
        cancel_at_period_end=bool(found.cancel_at_period_end),
        trial_ends_at=_at(found.trial_end),
        started_at=_known(found.start_date),
        ended_at=_at(found.ended_at),
    )


def _checkout(found: Any) -> CheckoutSession:
    return CheckoutSession(
        id=found.id,
        url=found.url or "",
        status=found.status,
        customer_id=_id(found.customer),
        organization_uuid=found.client_reference_id or "",
        subscription_id=_id(found.subscription),
    )


def _price(found: Any) -> Price:
    return Price(
        id=found.id,
        product_id=_id(found.product),
        currency=found.currency,
        meter_id=(found.recurring and found.recurring.meter) or "",
        tiers=tuple(tier.to_dict(for_json=True) for tier in found.tiers or ()),
        tiers_mode=found.tiers_mode or "",
    )


def _invoice(found: Any) -> Invoice:
    parent = found.parent and found.parent.subscription_details
    return Invoice(
        id=found.id,
        status=found.status or "",
        subscription_id=_id(parent.subscription) if parent else "",
        lines=tuple(
            InvoiceLine(
                price_id=_id(line.pricing.price_details.price) if line.pricing else "",
                quantity=line.quantity,
                amount_cents=line.amount,
                starts_at=_known(line.period.start),
                ends_at=_known(line.period.end),
            )
            for line in found.lines.data
        ),
    )
