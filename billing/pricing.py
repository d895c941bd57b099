"""What a number of series costs: a pure function of the ladder and the count.

Tiers are by volume, as Stripe defines it: the band that the whole count falls in prices every
unit, and its flat fee is the base fee or step-up. Integer cents; unit amounts may be fractions of
a cent and are rounded once, half up, as Stripe rounds a line.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from typing import Any


class LadderError(ValueError):
    """The price's tiers can't be billed by; the message says why."""


@dataclass(frozen=True, slots=True)
class Tier:
    """One band: counts up to `up_to` (None: without end) cost flat + unit * count, in cents."""

    up_to: int | None
    flat_cents: Decimal
    unit_cents: Decimal

    def amount(self, count: int) -> int:
        """Return what `count` series cost in this band, in cents."""
        exact = self.flat_cents + self.unit_cents * count
        return int(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP))


@dataclass(frozen=True, slots=True)
class Band:
    """A tier with the counts it holds: `first` to `tier.up_to`."""

    first: int
    tier: Tier


Ladder = tuple[Tier, ...]


def ladder(tiers: Iterable[dict[str, Any]]) -> Ladder:
    """Return the ladder of a Stripe price's tiers. Raises LadderError where it can't be billed by.

    A ladder whose amount ever falls is refused: customers would be paid for reporting more.
    """
    read = tuple(
        Tier(
            up_to=tier.get("up_to"),
            flat_cents=_cents(tier, "flat_amount"),
            unit_cents=_cents(tier, "unit_amount"),
        )
        for tier in tiers
    )
    _check(read)
    return read


def _cents(tier: dict[str, Any], name: str) -> Decimal:
    exact = tier.get(f"{name}_decimal")
    return Decimal(str(exact)) if exact is not None else Decimal(tier.get(name) or 0)


def _check(tiers: Ladder) -> None:
    if not tiers or tiers[-1].up_to is not None:
        raise LadderError("The last tier must have no upper end, or high counts have no price.")
    ends = [tier.up_to for tier in tiers[:-1]]
    if any(end is None for end in ends) or ends != sorted(set(ends), key=lambda end: end or 0):
        raise LadderError("The tiers must be in order, each ending above the one before.")
    for tier, following in pairwise(tiers):
        assert tier.up_to is not None
        if following.amount(tier.up_to + 1) < tier.amount(tier.up_to):
            raise LadderError(f"The amount falls between {tier.up_to} and {tier.up_to + 1} series.")
    if any(tier.unit_cents < 0 or tier.flat_cents < 0 for tier in tiers):
        raise LadderError("A tier has a negative amount.")


def band(tiers: Sequence[Tier], count: int) -> Band:
    """Return the band that a count falls in."""
    first = 0
    for tier in tiers:
        if tier.up_to is None or count <= tier.up_to:
            return Band(first=first, tier=tier)
        first = tier.up_to + 1
    raise LadderError("The ladder has no tier for this count.")


def amount_cents(tiers: Sequence[Tier], count: int) -> int:
    """Return what a count costs, in cents."""
    return band(tiers, count).tier.amount(count)


def bands(tiers: Sequence[Tier]) -> list[Band]:
    """Return every band of a ladder, in order."""
    firsts = [0] + [(tier.up_to or 0) + 1 for tier in tiers[:-1]]
    return [Band(first=first, tier=tier) for first, tier in zip(firsts, tiers, strict=True)]
