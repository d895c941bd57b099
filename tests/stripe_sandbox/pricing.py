"""What a quantity costs under a price: exact decimals, rounded once, to whole cents."""

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

Json = dict[str, Any]


def amount(price: Json, quantity: int, *, flat_fee_at_zero: bool) -> int:
    """Return the cents that `quantity` units of `price` cost."""
    if price["billing_scheme"] == "per_unit":
        exact = Decimal(price["unit_amount_decimal"]) * quantity
    elif quantity <= 0:
        exact = _flat(price["tiers"][0]) if flat_fee_at_zero else Decimal(0)
    elif price["tiers_mode"] == "volume":
        tier = next(t for t in price["tiers"] if t["up_to"] is None or quantity <= t["up_to"])
        exact = _flat(tier) + _unit(tier) * quantity
    else:
        exact = _graduated(price["tiers"], quantity)
    return int(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def _graduated(tiers: list[Json], quantity: int) -> Decimal:
    total, below = Decimal(0), 0
    for tier in tiers:
        if quantity <= below:
            break
        upper = quantity if tier["up_to"] is None else min(quantity, tier["up_to"])
        total += _flat(tier) + _unit(tier) * (upper - below)
        below = upper
    return total


def _flat(tier: Json) -> Decimal:
    return Decimal(tier["flat_amount_decimal"] or 0)


def _unit(tier: Json) -> Decimal:
    return Decimal(tier["unit_amount_decimal"] or 0)
