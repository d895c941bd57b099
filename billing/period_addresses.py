"""Periods in addresses, by the instant at which they begin, as the API names them."""

from datetime import datetime

from django.urls import register_converter

from bencher import dates
from billing import wire


class InstantConverter:
    """An instant by RFC 3339: 2026-11-01T00:00:00Z."""

    regex = r"[0-9TZ:.+-]+"

    def to_python(self, value: str) -> datetime:
        """Return the instant. Raises ValueError for what is none, so that nothing is found."""
        instant = wire.instant(value)
        if instant is None:
            raise ValueError(value)
        return instant

    def to_url(self, value: datetime) -> str:
        """Return the instant as it stands in an address."""
        return dates.rfc3339(value)


def register() -> None:
    """Make `instant` known to addresses."""
    register_converter(InstantConverter, "instant")
