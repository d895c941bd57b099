"""Which of Stripe's products is which plan. All are settings, and each may be missing."""

from django.conf import settings

from billing.models import Level

_SETTINGS = {
    Level.PRO: "ACTIVE_SERIES_PRODUCT",
    Level.TEAM: "TEAM_PRODUCT",
    Level.ENTERPRISE: "ENTERPRISE_PRODUCT",
}


def setting(level: Level) -> str:
    """Return the name of the setting that holds a level's product."""
    return _SETTINGS[level]


def of(level: Level) -> str:
    """Return the product of a level; empty where it is not configured, and so not sold."""
    product: str = getattr(settings, setting(level))
    return product


def level(product_id: str) -> Level | None:
    """Return the level that a product is sold as; None for every other product."""
    levels = (level for level in Level if product_id and of(level) == product_id)
    return next(levels, None)


def legacy_pro() -> str:
    """Return the product whose flat fee a legacy Pro plan pays; empty where there was none."""
    product: str = settings.LEGACY_PRO_PRODUCT
    return product


def is_bare_metal(product_id: str) -> bool:
    """Tell whether a product is minutes of bare-metal runners, which are beside the plan."""
    return bool(product_id) and product_id == settings.BARE_METAL_PRODUCT
