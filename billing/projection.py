"""How many series a running period may end with: a range, of figures that are all known.

A period's count never falls while its projects stay as they are, so what is active now is the
least. The most is that, and every series of the last period that may still come back, and new ones
at the pace of this period so far. A pure function; the method is described in docs/metering.md.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

# One busy first hour is no pace: less than a day counts as a day.
_LEAST_ELAPSED = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Turnover:
    """How a period's billed series compare with those of the period just before."""

    # Seen in the last period, not yet in this one.
    unseen: int
    # Seen in this period, not in the last one.
    new: int


@dataclass(frozen=True, slots=True)
class Projection:
    """The least and the most series that a period may end with, and what the most is made of."""

    least: int
    returning: int
    coming: int

    @property
    def most(self) -> int:
        """Return the upper end of the range."""
        return self.least + self.returning + self.coming


def project(
    active: int, turnover: Turnover, *, starts_at: datetime, ends_at: datetime, now: datetime
) -> Projection:
    """Return the range for the end of a period [starts_at, ends_at) at an instant within it."""
    elapsed = max(now - starts_at, _LEAST_ELAPSED)
    left = max(ends_at - now, timedelta(0))
    # Integer microseconds, rounded up: never a series too few.
    coming = -(-turnover.new * _microseconds(left) // _microseconds(elapsed))
    return Projection(least=active, returning=turnover.unseen, coming=coming)


def _microseconds(duration: timedelta) -> int:
    return duration // timedelta(microseconds=1)
