"""Invoices and their lines: reading, previewing, and moving a draft to its end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from billing.gateway.client import PAGE, Client, ask, ask_all
from billing.gateway.reading import instant, instant_or_none, metadata, reference, seconds


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
    """An invoice with all its lines; amounts in cents.

    `finalizes_at` is when Stripe will finalize a draft by itself; None where it will not.
    """

    id: str
    status: str
    subscription_id: str
    customer_id: str
    reason: str
    created_at: datetime
    finalizes_at: datetime | None
    total_cents: int
    due_cents: int
    paid_cents: int
    metadata: Mapping[str, str]
    lines: tuple[InvoiceLine, ...]


class Invoices(Client):
    """Calls about invoices."""

    def invoice(self, invoice_id: str) -> Invoice:
        """Return an invoice with its lines as it is now."""
        return ask(lambda: self._client.v1.invoices.retrieve(invoice_id), _invoice)

    def invoices_of(
        self,
        subscription_id: str,
        *,
        created_from: datetime | None = None,
        created_before: datetime | None = None,
    ) -> list[Invoice]:
        """Return a subscription's invoices, newest first, with their lines.

        All of them, or those created within `[created_from, created_before)`: the invoice of a
        period is created when that period has ended.
        """
        parameters: Any = {"subscription": subscription_id, "limit": PAGE}
        bounds = {"gte": created_from, "lt": created_before}
        created = {name: seconds(at) for name, at in bounds.items() if at is not None}
        if created:
            parameters["created"] = created
        return ask_all(lambda: self._client.v1.invoices.list(parameters), _invoice)

    def preview_invoice(self, subscription_id: str) -> Invoice:
        """Return what a subscription's current period would be invoiced at by now."""
        parameters: Any = {"subscription": subscription_id}
        return ask(lambda: self._client.v1.invoices.create_preview(parameters), _invoice)

    def preview_unused(self, *, customer_id: str, price_ids: Sequence[str]) -> Invoice:
        """Return what one period of these prices would be invoiced at without any usage."""
        parameters: Any = {
            "customer": customer_id,
            "preview_mode": "recurring",
            "subscription_details": {"items": [{"price": price} for price in price_ids]},
        }
        return ask(lambda: self._client.v1.invoices.create_preview(parameters), _invoice)

    def finalize_later(
        self, invoice_id: str, *, at: datetime, notes: Mapping[str, str] | None = None
    ) -> Invoice:
        """Let Stripe finalize a draft at another instant, and note something in its metadata.

        Both or neither. Refused once it is finalized.
        """
        parameters: Any = {"auto_advance": True, "automatically_finalizes_at": seconds(at)}
        if notes:
            parameters["metadata"] = dict(notes)
        return ask(lambda: self._client.v1.invoices.update(invoice_id, parameters), _invoice)

    def hold_draft(self, invoice_id: str) -> Invoice:
        """Keep Stripe from finalizing a draft at all, until it is told an instant again."""
        return ask(
            lambda: self._client.v1.invoices.update(invoice_id, {"auto_advance": False}), _invoice
        )

    def note_on_invoice(self, invoice_id: str, notes: Mapping[str, str]) -> Invoice:
        """Write into an invoice's metadata; what else stands there stays."""
        return ask(
            lambda: self._client.v1.invoices.update(invoice_id, {"metadata": dict(notes)}),
            _invoice,
        )

    def finalize_invoice(self, invoice_id: str) -> Invoice:
        """Finalize a draft now; Stripe goes on to collect it by itself."""
        return ask(
            lambda: self._client.v1.invoices.finalize_invoice(invoice_id, {"auto_advance": True}),
            _invoice,
        )

    def void_invoice(self, invoice_id: str) -> Invoice:
        """Void an open invoice for good. Refused for a draft and for what is paid."""
        return ask(lambda: self._client.v1.invoices.void_invoice(invoice_id), _invoice)


def _invoice(found: Any) -> Invoice:
    parent = found.parent and found.parent.subscription_details
    return Invoice(
        id=found.id,
        status=found.status or "",
        subscription_id=reference(parent.subscription) if parent else "",
        customer_id=reference(found.customer),
        reason=found.billing_reason or "",
        created_at=instant(found.created),
        finalizes_at=instant_or_none(found.automatically_finalizes_at),
        total_cents=found.total,
        due_cents=found.amount_due,
        paid_cents=found.amount_paid,
        metadata=metadata(found),
        # Only the first lines come with the invoice.
        lines=tuple(_line(line) for line in found.lines.auto_paging_iter()),
    )


def _line(found: Any) -> InvoiceLine:
    return InvoiceLine(
        price_id=reference(found.pricing.price_details.price) if found.pricing else "",
        quantity=found.quantity,
        amount_cents=found.amount,
        starts_at=instant(found.period.start),
        ends_at=instant(found.period.end),
    )
