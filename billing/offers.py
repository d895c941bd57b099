"""What Pro is sold at, for those who have no plan yet."""

import logging

from django.conf import settings
from django.core.cache import caches
from djstripe.models import Price as MirroredPrice

from billing import gateway, posting, prices, pricing, reachability

logger = logging.getLogger(__name__)

# A page must not ask Stripe each time, and while Stripe is down not wait for it each time.
_KEPT_SECONDS = 300
_KEPT_AFTER_FAILURE_SECONDS = 60


def is_open() -> bool:
    """Tell whether Pro can be bought here: Stripe is configured, and so is the product."""
    return settings.BILLING_CONFIGURED and not posting.is_dark()


def pro_ladder() -> pricing.Ladder:
    """Return the ladder that Pro is sold at; empty where nobody can tell right now."""
    if not is_open():
        return ()
    cache = caches["process"]
    known: pricing.Ladder | None = cache.get(_key())
    if known is None:
        known = _read()
        cache.set(_key(), known, _KEPT_SECONDS if known else _KEPT_AFTER_FAILURE_SECONDS)
    return known


def forget() -> None:
    """Read the ladder anew when it is asked for next, as after Stripe was down."""
    caches["process"].delete(_key())


def _key() -> str:
    return f"pro-ladder-{settings.ACTIVE_SERIES_PRODUCT}"


def _read() -> pricing.Ladder:
    try:
        return pricing.ladder(_mirrored() or prices.pro_price().tiers)
    except (gateway.GatewayError, pricing.LadderError) as error:
        if isinstance(error, gateway.TemporaryError):
            reachability.note_failure()
        logger.warning("the ladder of Pro can't be shown", exc_info=True)
        return ()


def _mirrored() -> list[dict[str, object]]:
    # Only where there is no choice: which of several prices is the default one, Stripe must say.
    rows = MirroredPrice.objects.filter(product=settings.ACTIVE_SERIES_PRODUCT, active=True)[:2]
    found = [row.stripe_data.get("tiers") or [] for row in rows]
    return list(found[0]) if len(found) == 1 else []
