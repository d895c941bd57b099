"""Searching long lists by what people paste: an id, an address, a slug, from its beginning.

What a text looks like says in which columns it can be, so that an index answers each search.
"""

import re
from collections.abc import Iterable, Iterator
from uuid import UUID

from bencher.tenancy import slugs

# What is not an id of Stripe's, whose own prefix says what it is of.
SLUG, EMAIL, ID, KEY = "slug", "email", "UUID", "key"

_STRIPE_ID = re.compile(r"([a-z]+)_\w*", re.ASCII)

_WORDS = {SLUG: "slug", EMAIL: "e-mail address", ID: "UUID", KEY: "key"}

# By a column's name, the kinds of text that it holds.
_KINDS = {
    "slug": {SLUG},
    "email": {EMAIL},
    "prefix": {KEY},
    "stripe_customer_id": {"cus"},
    "stripe_subscription_id": {"sub"},
    "stripe_invoice_id": {"in"},
    "stripe_session_id": {"cs"},
    "stripe_price_id": {"price"},
    "event_id": {"evt"},
    "subject_id": {"sub", "cs"},
    # An event's own identifier begins with that of its customer.
    "identifier": {"cus"},
}


def kind_of(text: str) -> str:
    """Return what a text looks like: the prefix of one of Stripe's ids, or one of the others.

    A name is taken for the slug that it would have.
    """
    if text.startswith("bencher_"):
        return KEY
    if "@" in text:
        return EMAIL
    if found := _STRIPE_ID.fullmatch(text):
        return found[1]
    return SLUG if _uuid(text) is None else ID


def kinds_of(columns: Iterable[str]) -> list[str]:
    """Return what can be searched for in columns, in words, each once."""
    kinds = dict.fromkeys(kind for column in columns for kind in sorted(_holds(column)))
    return [_WORDS.get(kind, f"{kind}_…") for kind in kinds]


def lookups(text: str, columns: Iterable[str]) -> Iterator[dict[str, object]]:
    """Yield a condition for each column that can hold such a text; none where none can."""
    kind = kind_of(text)
    for column in columns:
        if kind in _holds(column) or (column == "id" and _STRIPE_ID.fullmatch(text)):
            if kind == ID:
                yield {column: _uuid(text)}
            elif wanted := _normalized(text, kind):
                yield {f"{column}__startswith": wanted}


def _holds(column: str) -> set[str]:
    name = column.rpartition("__")[2]
    return {ID} if name.endswith("uuid") else _KINDS.get(name, set())


def _normalized(text: str, kind: str) -> str:
    return {SLUG: slugs.slug_of, EMAIL: str.lower}.get(kind, str)(text)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
