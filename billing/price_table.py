"""The ladder of a price as a table, with the band that a count falls in."""

from dataclasses import dataclass

from billing import money, pricing


@dataclass(frozen=True, slots=True)
class BandRow:
    """One band of the price."""

    range: str
    price: str
    is_current: bool


def rows(ladder: pricing.Ladder, count: int) -> tuple[BandRow, ...]:
    """Return a row for each band of a ladder; none for an empty one, whose price nobody knows."""
    if not ladder:
        return ()
    current = pricing.band(ladder, count)
    return tuple(
        BandRow(
            range=money.band_range(band),
            price=money.band_price(band),
            is_current=band == current,
        )
        for band in pricing.bands(ladder)
    )


def examples(ladder: pricing.Ladder) -> tuple[str, ...]:
    """Say with the ladder's own figures that one band prices the whole count.

    Empty where it has one band only, for then there is nothing to mistake.
    """
    bands = pricing.bands(ladder) if ladder else []
    if len(bands) < 2:
        return ()
    return (_step(bands[0], bands[1]), *_each(bands[-1]))


def _step(below: pricing.Band, above: pricing.Band) -> str:
    before, after = (
        money.written(band.tier.amount(count))
        for band, count in ((below, above.first - 1), (above, above.first))
    )
    return (
        f"{above.first - 1:,} series cost {before}; {above.first:,} cost {after}. All of them are"
        " priced by the second band then, not only the last one."
    )


def _each(band: pricing.Band) -> tuple[str, ...]:
    tier = band.tier
    if not tier.unit_cents or tier.flat_cents:
        return ()
    return (
        f"{band.first:,} series cost {band.first:,} × {money.written_exactly(tier.unit_cents)} ="
        f" {money.written(tier.amount(band.first))}: each of them counts, not only those above"
        f" {band.first - 1:,}.",
    )
