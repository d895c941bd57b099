"""Slugs: what stands for a name in an address."""

import re
import secrets
import string
from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet
from slugify import slugify

Row = TypeVar("Row", bound=Model)

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


def free_slug(name: str, *, taken: Callable[[str], bool], preferred: str = "") -> str:
    """Return the preferred slug or else that of the name; with a suffix where it is taken.

    A name of which nothing can stand in an address gets the suffix alone.
    """
    slug = preferred or slug_of(name)
    return with_suffix(slug) if not slug or taken(slug) else slug


def uuid_of(text: str) -> UUID | None:
    """Return the UUID that a text is, None where it is none."""
    try:
        return UUID(text)
    except ValueError:
        return None


def find(rows: QuerySet[Row], identifier: str) -> Row | None:
    """Return the row that an address names by its UUID or else by its slug, None for none.

    What is neither is never looked up: PostgreSQL takes no NUL.
    """
    uuid = uuid_of(identifier)
    found = rows.filter(uuid=uuid).first() if uuid else None
    if found is None and is_slug(identifier):
        found = rows.filter(slug=identifier).first()
    return found
