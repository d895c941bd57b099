"""Reading the fields that Stripe's objects share."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any


def instant(seconds: int) -> datetime:
    """Return an instant that Stripe always gives."""
    return datetime.fromtimestamp(seconds, tz=UTC)


def instant_or_none(seconds: int | None) -> datetime | None:
    """Return an instant that may not have come, such as an end."""
    return None if seconds is None else instant(seconds)


def seconds(at: datetime) -> int:
    """Return an instant as Stripe wants it: whole seconds of Unix time."""
    return int(at.timestamp())


def decimal_or_none(amount: Any) -> Decimal | None:
    """Return an exact amount, such as a fraction of a cent."""
    return None if amount is None else Decimal(str(amount))


def reference(found: Any) -> str:
    """Return the id of a reference that may be expanded; empty for none."""
    if found is None:
        return ""
    return found if isinstance(found, str) else str(found.id)


def metadata(found: Any) -> dict[str, str]:
    """Return an object's metadata; empty where it has none."""
    return found.metadata.to_dict() if found.metadata else {}


def identity(found: Any) -> str:
    """Return an object's id."""
    return str(found.id)


def nothing(_found: Any) -> None:
    """Read nothing, where only the refusal would matter."""
