"""Where within a period meter events may lie.

Stripe sums up whole minutes. No event lies in a minute that contains a bound of a period, so the
minute-aligned summary of a period is exactly that period. Ordinary events lie before the last
whole minute, the closing one at that minute's half, so it is always the last (design rule 14).
"""

from datetime import datetime, timedelta

MINUTE = timedelta(minutes=1)


def first_instant(starts_at: datetime) -> datetime:
    """Return the first instant of a period at which an event may lie."""
    return _minute(starts_at) + MINUTE


def last_minute(ends_at: datetime) -> datetime:
    """Return the start of the last whole minute; ordinary events lie before it."""
    return _minute(ends_at) - MINUTE


def closing_instant(ends_at: datetime) -> datetime:
    """Return the instant of the closing event: half past the last whole minute."""
    return last_minute(ends_at) + MINUTE / 2


def _minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)


def cut_off(*, starts_at: datetime, now: datetime) -> datetime:
    """Return the next whole minute at which a period that has begun can be made to end.

    Its last whole minute has not begun yet: an event of a minute that has may lie after that
    minute's half already. Nor does that minute contain the period's start.
    """
    return max(_minute(now) + MINUTE, first_instant(starts_at)) + MINUTE
