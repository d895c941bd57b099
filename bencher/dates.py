"""How instants are written, for people and for machines, in one place. Always UTC, and said so."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from bencher.numbers import counted

_MINUTE = timedelta(minutes=1)
_UNITS = (
    (timedelta(days=1), "day"),
    (timedelta(hours=1), "hour"),
    (_MINUTE, "minute"),
    (timedelta(seconds=1), "second"),
)


@dataclass(frozen=True, slots=True)
class Written:
    """An instant as a page shows it: `iso` goes into the element's datetime attribute."""

    text: str
    iso: str


def rfc3339(at: datetime) -> str:
    """Return an instant for machines: 2026-11-01T00:00:00Z."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def instant(text: str) -> datetime:
    """Return the instant that `rfc3339` wrote."""
    return datetime.fromisoformat(text)


def from_seconds(seconds: int) -> datetime:
    """Return an instant from seconds since 1970, as Stripe gives them."""
    return datetime.fromtimestamp(seconds, tz=UTC)


def day(at: datetime) -> Written:
    """Write the day of an instant: 1 November 2026."""
    return _written(at, "{0.day} {0:%B %Y}")


def moment(at: datetime) -> Written:
    """Write an instant to the second: 1 November 2026, 00:00:00 UTC."""
    return _written(at, "{0.day} {0:%B %Y, %H:%M:%S} UTC")


def second(at: datetime) -> Written:
    """Write an instant in short, where a heading says that it is UTC: 1 Nov 2026, 00:00:00."""
    return _written(at, "{0.day} {0:%b %Y, %H:%M:%S}")


def time_of_day(at: datetime) -> Written:
    """Write the time of an instant: 12:03:07 UTC."""
    return _written(at, "{0:%H:%M:%S} UTC")


def span(starts: datetime, ends: datetime) -> str:
    """Write the days of a period in short, broken only behind its dash: 1 Nov – 1 Dec 2026."""
    first, last = starts.astimezone(UTC), ends.astimezone(UTC)
    days = (f"{first.day} {first:%b} –", f"{last.day} {last:%b %Y}")
    return " ".join(day.replace(" ", "\N{NO-BREAK SPACE}") for day in days)


def days(starts: datetime, ends: datetime) -> str:
    """Write the days of a period in short for logs and commands, which break lines nowhere."""
    return span(starts, ends).replace("\N{NO-BREAK SPACE}", " ")


def day_of_month(on: date) -> str:
    """Write a UTC day in short, not to be broken: 3 Nov."""
    return f"{on.day}\N{NO-BREAK SPACE}{on:%b}"


def left(*, now: datetime, until: datetime) -> str:
    """Write how long something still lasts, in its largest unit, rounded down: 12 days."""
    rest = max(until - now, timedelta(0))
    return lasting(rest) if rest >= _MINUTE else counted(0, "minute")


def lasting(length: timedelta) -> str:
    """Write a length of time in its largest unit, rounded down: 12 days, 40 seconds."""
    for unit, name in _UNITS:
        if length >= unit:
            return counted(length // unit, name)
    return counted(0, "second")


def _written(at: datetime, form: str) -> Written:
    return Written(text=form.format(at.astimezone(UTC)), iso=rfc3339(at))
