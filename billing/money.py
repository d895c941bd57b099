"""How money and counts are written for people, in one place."""

from decimal import Decimal

from billing.pricing import Band

_SIGNS = {"usd": "$"}


def written(cents: int, currency: str = "usd") -> str:
    """Return an amount of cents as people write it: $1,234.50."""
    sign = _SIGNS.get(currency, f"{currency.upper()} ")
    return f"{'-' if cents < 0 else ''}{sign}{abs(cents) // 100:,}.{abs(cents) % 100:02}"


def plain(cents: int) -> str:
    """Return an amount of cents for programs, its currency said elsewhere: 1234.50."""
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02}"


def written_exactly(cents: Decimal, currency: str = "usd") -> str:
    """Return a price that may have fractions of a cent, none of them dropped: $0.0025."""
    sign = _SIGNS.get(currency, f"{currency.upper()} ")
    whole, _, fraction = f"{cents / 100:,f}".partition(".")
    return f"{sign}{whole}.{fraction.rstrip('0'):0<2}"


def band_range(band: Band) -> str:
    """Return the counts that a band holds: 0–250, 501 and more."""
    if band.tier.up_to is None:
        return f"{band.first:,} and more"
    return f"{band.first:,}–{band.tier.up_to:,}"


def band_price(band: Band, currency: str = "usd") -> str:
    """Return the price of a band: $100.00, or $0.40 per series."""
    parts = []
    if band.tier.flat_cents:
        parts.append(written_exactly(band.tier.flat_cents, currency))
    if band.tier.unit_cents:
        parts.append(f"{written_exactly(band.tier.unit_cents, currency)} per series")
    return " + ".join(parts) or written(0, currency)
