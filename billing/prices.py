"""The ladder of a price: data of Stripe's, mirrored by dj-stripe, read here."""

from typing import Any

from django.conf import settings
from djstripe.models import Price as MirroredPrice

from billing import gateway, pricing

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
    if not settings.ACTIVE_SERIES_PRODUCT:
        raise gateway.NotConfiguredError("Pro is not sold: ACTIVE_SERIES_PRODUCT is not set.")
    return gateway.connect().metered_price_of(settings.ACTIVE_SERIES_PRODUCT)


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
