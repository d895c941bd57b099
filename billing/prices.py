"""The ladder of a price: data of Stripe's, mirrored by dj-stripe, read here."""

from decimal import Decimal
from typing import Any

from django.conf import settings
from djstripe.models import Price as MirroredPrice

from billing import gateway, pricing, products
from billing.models import Level

VOLUME = "volume"


def tiers(price_id: str) -> list[dict[str, Any]]:
    """Return a price's tiers as Stripe gives them, from the mirror or else from Stripe.

    Raises LadderError where they can't be billed by, TemporaryError and RefusedError where Stripe
    has to be asked and does not answer.
    """
    found = _mirrored(price_id) or _fetched(price_id)
    pricing.ladder(found)
    return found


def pro_price() -> gateway.Price:
    """Return the price that the Pro plan is sold at. Raises NotConfiguredError without one."""
    return price_of(Level.PRO)


def price_of(level: Level) -> gateway.Price:
    """Return the price that a level is sold at. Raises NotConfiguredError where it is not sold."""
    product = products.of(level)
    if not product:
        raise gateway.NotConfiguredError(
            f"{level.label} is not sold here: {products.setting(level)} is not set."
        )
    return gateway.connect().metered_price_of(product)


def sold(level: Level) -> list[str]:
    """Return the prices that a subscription begins with: the plan's, and bare metal's if set.

    Raises NotConfiguredError, TemporaryError and RefusedError.
    """
    found = [price_of(level).id]
    if settings.BARE_METAL_PRODUCT:
        found.append(gateway.connect().metered_price_of(settings.BARE_METAL_PRODUCT).id)
    return found


def runner_minute_cents() -> Decimal | None:
    """Return what a minute of bare metal costs, in cents, from the mirror; None if not known."""
    if not settings.BARE_METAL_PRODUCT:
        return None
    row = MirroredPrice.objects.filter(
        stripe_data__product=settings.BARE_METAL_PRODUCT, stripe_data__active=True
    ).first()
    cents = row and row.stripe_data.get("unit_amount_decimal")
    return Decimal(cents) if cents else None


def _mirrored(price_id: str) -> list[dict[str, Any]] | None:
    row = MirroredPrice.objects.filter(id=price_id).first()
    if row is None or not row.stripe_data.get("tiers"):
        return None
    _check_mode(row.stripe_data.get("tiers_mode"))
    return list(row.stripe_data["tiers"])


def _fetched(price_id: str) -> list[dict[str, Any]]:
    price = gateway.connect().price(price_id)
    _check_mode(price.tiers_mode)
    return list(price.tiers)


def _check_mode(mode: str | None) -> None:
    if mode != VOLUME:
        raise pricing.LadderError(f"The price's tiers_mode is {mode!r}; only 'volume' is billed.")
