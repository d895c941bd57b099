"""Admin pages of rows that hold money: amounts as people write them, ladders as bands."""

from typing import Any

from django.db.models import Field

from bencher.read_only_admin import ReadOnlyAdmin, ReadOnlyInline
from billing import money, price_table, pricing


class _WithMoney:
    def write(self, row: Any, field: "Field[Any, Any]") -> str | None:
        """Write cents with their currency, and the tiers of a price as its bands."""
        value = field.value_from_object(row)
        if field.name.endswith("_cents"):
            return money.written(value, getattr(_statement(row), "currency", "usd"))
        if field.name == "tiers":
            return _bands(value)
        return None


class MoneyAdmin(_WithMoney, ReadOnlyAdmin):
    """Lists and shows rows that hold money."""


class MoneyInline(_WithMoney, ReadOnlyInline):
    """Shows the few rows that belong to another one and hold money."""


def _statement(row: Any) -> Any:
    return getattr(row, "statement", row)


def _bands(tiers: list[dict[str, Any]]) -> str:
    try:
        ladder = pricing.ladder(tiers)
    except pricing.LadderError as error:
        return str(error)
    return "\n".join(f"{row.range}: {row.price}" for row in price_table.rows(ladder, 0))
