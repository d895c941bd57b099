"""Stripe's customers, one per organization, and how they pay."""

from dataclasses import dataclass
from typing import Any

from billing.gateway.client import Client, ask
from billing.gateway.errors import RefusedError
from billing.gateway.reading import identity, nothing


@dataclass(frozen=True, slots=True)
class Card:
    """A card as it may be shown: never its number."""

    brand: str
    last_four: str
    exp_month: int
    exp_year: int


@dataclass(frozen=True, slots=True)
class Payer:
    """Who pays for a subscription, and with which card; None where it is not a card."""

    customer_id: str
    name: str
    email: str
    card: Card | None


class Customers(Client):
    """Calls about customers."""

    def customer(self, *, name: str, email: str, organization_uuid: str) -> str:
        """Create an organization's customer and return its id; a repeat returns the same.

        What may differ when it is repeated, as by another leader, is told in a second call:
        Stripe refuses one idempotency key with two sets of parameters.
        """
        customer_id = ask(
            lambda: self._client.v1.customers.create(
                {"metadata": {"organization": organization_uuid}},
                {"idempotency_key": f"customer-{organization_uuid}"},
            ),
            identity,
        )
        ask(
            lambda: self._client.v1.customers.update(customer_id, {"name": name, "email": email}),
            nothing,
        )
        return customer_id

    def has_customer(self, customer_id: str) -> bool:
        """Tell whether Stripe knows a customer, even as one that was deleted there."""
        try:
            ask(lambda: self._client.v1.customers.retrieve(customer_id), nothing)
        except RefusedError as error:
            if error.is_missing:
                return False
            raise
        return True

    def payer(self, subscription_id: str) -> Payer:
        """Return who pays for a subscription: its own card, or else the customer's default one."""
        expand = [
            "default_payment_method",
            "customer",
            "customer.invoice_settings.default_payment_method",
        ]
        return ask(
            lambda: self._client.v1.subscriptions.retrieve(subscription_id, {"expand": expand}),
            _payer,
        )


def _payer(found: Any) -> Payer:
    customer = found.customer
    method = found.default_payment_method
    if method is None and customer.invoice_settings:
        method = customer.invoice_settings.default_payment_method
    return Payer(
        customer_id=customer.id,
        name=customer.name or "",
        email=customer.email or "",
        card=_card(method) if method is not None and method.type == "card" else None,
    )


def _card(method: Any) -> Card:
    return Card(
        brand=method.card.brand,
        last_four=method.card.last4,
        exp_month=method.card.exp_month,
        exp_year=method.card.exp_year,
    )
