"""API keys as pages list them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from bencher import dates
from bencher.dates import Written
from bencher.tenancy.models import ApiKey


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key; of its text only the beginning is known."""

    name: str
    prefix: str
    created: Written
    # Empty for never.
    expires: Written | None
    last_used: Written | None
    has_expired: bool
    # The page that revokes it.
    revoke: str


def of(keys: Iterable[ApiKey], *, now: datetime, revoke: Callable[[UUID], str]) -> list[KeyRow]:
    """Return keys as they are listed; `revoke` returns the address of a key's revocation."""
    return [
        KeyRow(
            name=key.name,
            prefix=f"{key.prefix}…",
            created=dates.day(key.created_at),
            expires=dates.day(key.expires_at) if key.expires_at else None,
            last_used=dates.moment(key.last_used_at) if key.last_used_at else None,
            has_expired=key.expires_at is not None and key.expires_at <= now,
            revoke=revoke(key.uuid),
        )
        for key in keys
    ]
