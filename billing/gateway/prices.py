"""Products and their prices."""

from dataclasses import dataclass
from typing import Any

from billing.gateway.client import Client, ask
from billing.gateway.errors import RefusedError
from billing.gateway.reading import reference


@dataclass(frozen=True, slots=True)
class Price:
    """A price with its tiers, as Stripe gives them."""

    id: str
    product_id: str
    currency: str
    meter_id: str
    tiers: tuple[dict[str, Any], ...]
    tiers_mode: str


class Prices(Client):
    """Calls about products and prices."""

    def price(self, price_id: str) -> Price:
        """Return a price with its tiers."""
        found = ask(lambda: self._client.v1.prices.retrieve(price_id, {"expand": ["tiers"]}))
        return _price(found)

    def metered_price_of(self, product_id: str) -> Price:
        """Return a product's default price, or its only active one, with its tiers."""
        product = ask(lambda: self._client.v1.products.retrieve(product_id))
        if product.default_price:
            return self.price(reference(product.default_price))
        listed = ask(lambda: self._client.v1.prices.list({"product": product_id, "active": True}))
        if len(listed.data) != 1:
            raise RefusedError(
                f"Product {product_id} has {len(listed.data)} active prices and no default one;"
                " give it a default price.",
                {"status": 200},
            )
        return self.price(listed.data[0].id)


def _price(found: Any) -> Price:
    return Price(
        id=found.id,
        product_id=reference(found.product),
        currency=found.currency,
        meter_id=(found.recurring and found.recurring.meter) or "",
        tiers=tuple(tier.to_dict(for_json=True) for tier in found.tiers or ()),
        tiers_mode=found.tiers_mode or "",
    )
