"""Products and their prices."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from billing.gateway.client import PAGE, Client, ask, ask_all
from billing.gateway.errors import RefusedError
from billing.gateway.reading import decimal_or_none, identity, metadata, nothing, reference


@dataclass(frozen=True, slots=True)
class Product:
    """What is sold."""

    id: str
    name: str
    active: bool
    default_price_id: str
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Price:
    """A price as Stripe gives it: by tiers, or `unit_cents` for each unit of its meter."""

    id: str
    product_id: str
    currency: str
    meter_id: str
    tiers: tuple[dict[str, Any], ...]
    tiers_mode: str
    active: bool = True
    interval: str = "month"
    unit_cents: Decimal | None = None


class Prices(Client):
    """Calls about products and prices."""

    def price(self, price_id: str) -> Price:
        """Return a price with its tiers."""
        return ask(lambda: self._client.v1.prices.retrieve(price_id, {"expand": ["tiers"]}), _price)

    def prices_of(self, product_id: str) -> list[Price]:
        """Return a product's prices with their tiers, newest first; archived ones too."""
        parameters: Any = {"product": product_id, "limit": PAGE, "expand": ["data.tiers"]}
        return ask_all(lambda: self._client.v1.prices.list(parameters), _price)

    def metered_price_of(self, product_id: str) -> Price:
        """Return a product's default price, or its only active one, with its tiers."""
        product = self.product(product_id)
        if product.default_price_id:
            return self.price(product.default_price_id)
        active = [price for price in self.prices_of(product_id) if price.active]
        if len(active) != 1:
            raise RefusedError(
                f"Product {product_id} has {len(active)} active prices and no default one;"
                " give it a default price.",
                {"status": 200},
            )
        return active[0]

    def product(self, product_id: str) -> Product:
        """Return a product."""
        return ask(lambda: self._client.v1.products.retrieve(product_id), _product)

    def products(self) -> list[Product]:
        """Return every product of the account, newest first; archived ones too."""
        return ask_all(lambda: self._client.v1.products.list({"limit": PAGE}), _product)

    def create_product(
        self, *, product_id: str, name: str, marks: Mapping[str, str], idempotency_key: str
    ) -> Product:
        """Create a product, under an id of ours or, where that is empty, one of Stripe's."""
        parameters: Any = {"name": name, "metadata": dict(marks)}
        if product_id:
            parameters["id"] = product_id
        return ask(
            lambda: self._client.v1.products.create(
                parameters, {"idempotency_key": idempotency_key}
            ),
            _product,
        )

    def create_price(self, parameters: Mapping[str, Any], *, idempotency_key: str) -> str:
        """Create a price and return its id; Stripe never changes one afterwards."""
        given: Any = dict(parameters)
        return ask(
            lambda: self._client.v1.prices.create(given, {"idempotency_key": idempotency_key}),
            identity,
        )

    def set_default_price(self, product_id: str, price_id: str) -> None:
        """Sell a product at another price from now on; whoever has the old one keeps it."""
        ask(
            lambda: self._client.v1.products.update(product_id, {"default_price": price_id}),
            nothing,
        )


def _product(found: Any) -> Product:
    return Product(
        id=found.id,
        name=found.name,
        active=bool(found.active),
        default_price_id=reference(found.default_price),
        metadata=metadata(found),
    )


def _price(found: Any) -> Price:
    return Price(
        id=found.id,
        product_id=reference(found.product),
        currency=found.currency,
        meter_id=(found.recurring and found.recurring.meter) or "",
        # Absent unless it was asked for, as is the rule for what Stripe expands.
        tiers=tuple(tier.to_dict(for_json=True) for tier in getattr(found, "tiers", None) or ()),
        tiers_mode=found.tiers_mode or "",
        active=bool(found.active),
        interval=(found.recurring and found.recurring.interval) or "",
        unit_cents=decimal_or_none(found.unit_amount_decimal),
    )
