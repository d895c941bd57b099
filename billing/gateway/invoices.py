"""Invoices and their lines."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from billing.gateway.client import Client, ask
from billing.gateway.reading import instant, reference


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """A line of an invoice; amounts in cents."""

    price_id: str
    quantity: int | None
    amount_cents: int
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Invoice:
    """An invoice with its lines; amounts in cents."""

    id: str
    status: str
    subscription_id: str
    lines: tuple[InvoiceLine, ...]


class Invoices(Client):
    """Calls about invoices."""

    def invoice(self, invoice_id: str) -> Invoice:
        """Return an invoice with its lines as it is now."""
        return _invoice(ask(lambda: self._client.v1.invoices.retrieve(invoice_id)))

    def invoices_of(self, subscription_id: str) -> list[Invoice]:
        """Return a subscription's latest invoices, newest first, with their lines."""
        listed = ask(
            lambda: self._client.v1.invoices.list({"subscription": subscription_id, "limit": 24})
        )
        return [_invoice(found) for found in listed.data]


def _invoice(found: Any) -> Invoice:
    parent = found.parent and found.parent.subscription_details
    return Invoice(
        id=found.id,
        status=found.status or "",
        subscription_id=reference(parent.subscription) if parent else "",
        lines=tuple(
            InvoiceLine(
                price_id=reference(line.pricing.price_details.price) if line.pricing else "",
                quantity=line.quantity,
                amount_cents=line.amount,
                starts_at=instant(line.period.start),
                ends_at=instant(line.period.end),
            )
            for line in found.lines.data
        ),
    )
