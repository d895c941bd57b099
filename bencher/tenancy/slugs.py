"""Slugs: what stands for a name in an address."""

import re
import secrets
import string
from collections.abc import Callable
from uuid import UUID

from slugify import slugify

MAX_LENGTH = 64
_SUFFIX_LENGTH = 8
_ALPHABET = string.ascii_lowercase + string.digits
_SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*", re.ASCII)


def slug_of(name: str) -> str:
    """Return the slug of a name, empty where nothing of it can stand in an address."""
    return slugify(name, max_length=MAX_LENGTH)


def is_slug(text: str) -> bool:
    """Tell whether the text is a slug, and so may name an entity by its slug."""
    return len(text) <= MAX_LENGTH and _SLUG.fullmatch(text) is not None


def with_suffix(slug: str) -> str:
    """Return the slug with eight random characters behind it, for a slug that is taken."""
    suffix = "".join(secrets.choice(_ALPHABET) for _ in range(_SUFFIX_LENGTH))
    return f"{slug[: MAX_LENGTH - _SUFFIX_LENGTH - 1].rstrip('-')}-{suffix}".lstrip("-")


def free_slug(name: str, *, taken: Callable[[str], bool]) -> str:
    """Return the slug of a name, with a suffix where it is taken or would be empty."""
    slug = slug_of(name)
    return with_suffix(slug) if not slug or taken(slug) else slug


def uuid_of(text: str) -> UUID | None:
    """Return the UUID that a text is, None where it is none."""
    try:
        return UUID(text)
    except ValueError:
        return None
