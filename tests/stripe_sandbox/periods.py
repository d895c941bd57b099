"""Billing periods: the boundaries that follow from an anchor, in UTC."""

import calendar
from datetime import UTC, datetime, timedelta

FIXED = {"day": timedelta(days=1), "week": timedelta(weeks=1)}
MONTHS = {"month": 1, "year": 12}


def boundary(anchor: int, *, interval: str, count: int, index: int) -> int:
    """Return the `index`-th boundary after the anchor.

    Always computed from the anchor itself, so a month that is too short clamps the day only for
    itself: 31 Jan, 28 Feb, 31 Mar.
    """
    start = datetime.fromtimestamp(anchor, UTC)
    if interval in FIXED:
        return int((start + FIXED[interval] * count * index).timestamp())
    month = start.year * 12 + start.month - 1 + MONTHS[interval] * count * index
    year, month = month // 12, month % 12 + 1
    day = min(start.day, calendar.monthrange(year, month)[1])
    return int(start.replace(year=year, month=month, day=day).timestamp())


def next_boundary(anchor: int, *, interval: str, count: int, after: int) -> int:
    """Return the first boundary that lies later than `after`."""
    index = 0
    while (instant := boundary(anchor, interval=interval, count=count, index=index)) <= after:
        index += 1
    return instant
