"""The chart of how a count grew, as geometry for an SVG and as the table that says the same.

Pure. The plot is drawn in a square of PLOT by PLOT that the page stretches; what must not be
stretched, such as words, is placed by percentages. The y axis points down.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import zip_longest

from bencher import dates
from billing import money, pricing
from billing.days import DayCount

PLOT = 1000
# Room above the highest line or bound, for its words.
_HEADROOM = 1.15
# A bound further above the count than this would flatten the curve; the figures name it anyway.
_NEAR = 3
# Two bounds closer than this part of the height would write over each other.
_APART = 0.09


@dataclass(frozen=True, slots=True)
class BoundLine:
    """Where a band begins: a line across the plot, and what is above it."""

    at: str
    label: str


@dataclass(frozen=True, slots=True)
class Tick:
    """Words in the plot: how far right, how far down (empty on the x axis), how anchored."""

    at: str
    label: str
    anchor: str
    down: str = ""


@dataclass(frozen=True, slots=True)
class DayRow:
    """A day in the table."""

    day: str
    series: str
    new: str
    before: str


@dataclass(frozen=True, slots=True)
class Chart:
    """The chart. `path` is this period's, `path_before` that of the period before, if any.

    `now` is the end of this period's path with its count.
    """

    path: str
    path_before: str
    now: Tick | None
    bounds: tuple[BoundLine, ...]
    ticks: tuple[Tick, ...]
    description: str
    rows: tuple[DayRow, ...]


def draw(
    growth: Sequence[DayCount],
    before: Sequence[DayCount],
    *,
    number_of_days: int,
    ladder: pricing.Ladder,
) -> Chart:
    """Return the chart of a period of that many days, beside the period before."""
    width = max(number_of_days, len(before), 1)
    highest = max((day.series or 0 for day in (*growth, *before)), default=0)
    top = _top(highest, ladder)
    return Chart(
        path=_steps(growth, width=width, top=top),
        path_before=_steps(before, width=width, top=top),
        now=_end(growth, width=width, top=top),
        bounds=tuple(_bounds(ladder, top=top)),
        ticks=_ticks(growth, number_of_days=number_of_days, width=width),
        description=_description(growth, before),
        rows=tuple(_rows(growth, before)),
    )


def _top(highest: int, ladder: pricing.Ladder) -> float:
    bounds = [tier.up_to for tier in ladder if tier.up_to is not None and tier.up_to >= highest]
    near = [bound for bound in bounds[:1] if bound <= _NEAR * highest]
    return max([highest, 1, *near]) * _HEADROOM


def _steps(days: Sequence[DayCount], *, width: int, top: float) -> str:
    """Return the path: level through each day, at the count of its end; days unknown are gaps."""
    path, was_known = [], False
    for number, day in enumerate(days):
        if day.series is not None:
            left, right = (round(PLOT * n / width) for n in (number, number + 1))
            y = round(PLOT * (1 - day.series / top))
            path.append(f"V{y}H{right}" if was_known else f"M{left} {y}H{right}")
        was_known = day.series is not None
    return "".join(path)


def _bounds(ladder: pricing.Ladder, *, top: float) -> Iterable[BoundLine]:
    drawn = -_APART * top
    for tier in ladder:
        if tier.up_to is None or tier.up_to > top or tier.up_to - drawn < _APART * top:
            continue
        drawn = tier.up_to
        price = money.written(pricing.amount_cents(ladder, tier.up_to + 1))
        yield BoundLine(
            at=f"{100 * (1 - tier.up_to / top):.1f}%",
            label=f"above {tier.up_to:,}: {price}",
        )


def _end(growth: Sequence[DayCount], *, width: int, top: float) -> Tick | None:
    if not growth or growth[-1].series is None:
        return None
    return Tick(
        at=_percent(len(growth), width),
        label=f"{growth[-1].series:,}",
        anchor="end" if 2 * len(growth) > width else "start",
        down=f"{100 * (1 - growth[-1].series / top):.1f}%",
    )


def _ticks(growth: Sequence[DayCount], *, number_of_days: int, width: int) -> tuple[Tick, ...]:
    if not growth:
        return ()
    first, middle, last = growth[0].day, number_of_days // 2, number_of_days - 1
    return (
        Tick("0%", dates.day_of_month(first), "start"),
        Tick(
            _percent(middle + 0.5, width),
            dates.day_of_month(first + timedelta(days=middle)),
            "middle",
        ),
        Tick(
            _percent(number_of_days, width),
            dates.day_of_month(first + timedelta(days=last)),
            "end",
        ),
    )


def _percent(days: float, width: int) -> str:
    return f"{100 * days / width:.1f}%"


def _description(growth: Sequence[DayCount], before: Sequence[DayCount]) -> str:
    said = []
    if growth and growth[-1].series is not None:
        said.append(
            f"This period: {growth[-1].series:,} series by"
            f" {dates.day_of_month(growth[-1].day)}, day {len(growth)}."
        )
    if before and before[-1].series is not None:
        at_that_day = before[min(len(growth), len(before)) - 1].series or 0
        said.append(
            f"The period before: {at_that_day:,} by the same day of it,"
            f" {before[-1].series:,} at its end."
        )
    return " ".join([*said, "The table has every day."])


def _rows(growth: Sequence[DayCount], before: Sequence[DayCount]) -> Iterable[DayRow]:
    known: int | None = 0
    for number, (own, other) in enumerate(zip_longest(growth, before), start=1):
        series = own.series if own else None
        yield DayRow(
            day=dates.day_of_month(own.day) if own else f"day {number}",
            series=_written(series, own),
            new="" if series is None or known is None else f"{series - known:,}",
            before=_written(other.series if other else None, other),
        )
        known = series


def _written(series: int | None, day: DayCount | None) -> str:
    if day is None:
        return ""
    return "not counted yet" if series is None else f"{series:,}"
