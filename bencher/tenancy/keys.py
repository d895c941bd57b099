"""Minting API keys and finding them again.

The format is Bencher's, because its command line checks it: a prefix that says what the key is
for, and thirty random letters and digits (178 bits).
"""

import hashlib
import secrets
import string
from datetime import datetime, timedelta
from typing import NamedTuple, TypeVar

from django.db.models import Q

from bencher.tenancy.models import ApiKey, User, UserKey

USER_PREFIX = "bencher_user_"
PROJECT_PREFIX = "bencher_run_"
_SECRET_LENGTH = 30
_ALPHABET = string.ascii_letters + string.digits
# The prefix and four characters: enough to recognize a key, far too few to guess it.
_SHOWN = 4
_USE_IS_NOTED_EVERY = timedelta(hours=1)

Key = TypeVar("Key", bound=ApiKey)


class Minted(NamedTuple):
    """A new key: the text is shown once, the rest is stored."""

    text: str
    prefix: str
    key_hash: bytes


def mint(prefix: str) -> Minted:
    """Return a new random key with its hash."""
    text = prefix + "".join(secrets.choice(_ALPHABET) for _ in range(_SECRET_LENGTH))
    return Minted(text=text, prefix=text[: len(prefix) + _SHOWN], key_hash=hash_of(text))


def hash_of(text: str) -> bytes:
    """Return the SHA-256 of a key; the key is random, so it needs no salt and no stretching."""
    return hashlib.sha256(text.encode()).digest()


def find(model: type[Key], text: str, *, now: datetime, related: tuple[str, ...]) -> Key | None:
    """Return the live key with that text, or None where it is unknown, revoked or expired.

    Whoever asks is about to use it, which is noted.
    """
    alive = Q(revoked_at=None) & (Q(expires_at=None) | Q(expires_at__gt=now))
    key = (
        model._default_manager.select_related(*related)
        .filter(alive, key_hash=hash_of(text))
        .first()
    )
    if key is not None:
        _note_use(key, now=now)
    return key


def _note_use(key: ApiKey, *, now: datetime) -> None:
    """Remember when a key was used, to the hour: CI uses one many times in a minute."""
    if key.last_used_at is None or now - key.last_used_at >= _USE_IS_NOTED_EVERY:
        # Of many jobs that begin at once, the first notes it and the others find nothing to do.
        same = type(key)._default_manager.filter(pk=key.pk, last_used_at=key.last_used_at)
        same.update(last_used_at=now)


def issue(key: Key, prefix: str) -> str:
    """Store a new key, which lacks only its secret; returns its text, which can't be had again."""
    minted = mint(prefix)
    key.prefix, key.key_hash = minted.prefix, minted.key_hash
    key.save(force_insert=True)
    return minted.text


def expiry(ttl: int | None, *, now: datetime) -> datetime | None:
    """Return when a key expires that is to live for so many seconds; None for never."""
    return None if ttl is None else now + timedelta(seconds=ttl)


def rename(key: ApiKey, name: str | None) -> None:
    """Give a key another name; None leaves it."""
    if name is not None:
        key.name = name
        key.save(update_fields=["name"])


def revoke(key: ApiKey, *, now: datetime) -> None:
    """Revoke a key for good; one that is revoked already stays revoked since then."""
    if key.revoked_at is None:
        key.revoked_at = now
        key.save(update_fields=["revoked_at"])


def add_user_key(user: User, *, name: str, now: datetime) -> str:
    """Store a new key for a user and return its text, which can't be had again."""
    return issue(UserKey(user=user, name=name, created_at=now), USER_PREFIX)
