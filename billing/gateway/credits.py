"""What is given back or given in advance: credit notes and credit grants."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from billing.gateway.client import PAGE, Client, ask, ask_all
from billing.gateway.reading import (
    instant,
    instant_or_none,
    metadata,
    nothing,
    reference,
    seconds,
)


@dataclass(frozen=True, slots=True)
class CreditNote:
    """What an invoice was lowered by, in cents."""

    id: str
    invoice_id: str
    amount_cents: int
    status: str
    created_at: datetime
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CreditGrant:
    """Credit that lowers a customer's invoices, in cents, until it expires or is used up."""

    id: str
    customer_id: str
    amount_cents: int
    starts_at: datetime | None
    expires_at: datetime | None
    voided_at: datetime | None
    metadata: Mapping[str, str]
    is_paid_for: bool = False


class Credits(Client):
    """Calls about credit notes and credit grants."""

    def credit(
        self,
        invoice_id: str,
        *,
        amount_cents: int,
        memo: str,
        paid: bool,
        idempotency_key: str,
        notes: Mapping[str, str],
    ) -> CreditNote:
        """Lower a finalized invoice by an amount in cents.

        An open invoice then asks for less; of a `paid` one the amount is put to the customer's
        balance, which the next invoice draws on. The same idempotency key credits once.
        """
        parameters: Any = {
            "invoice": invoice_id,
            "amount": amount_cents,
            "memo": memo,
            "metadata": dict(notes),
        }
        if paid:
            parameters["credit_amount"] = amount_cents
        return ask(
            lambda: self._client.v1.credit_notes.create(
                parameters, {"idempotency_key": idempotency_key}
            ),
            _note,
        )

    def credit_notes_of(self, invoice_id: str) -> list[CreditNote]:
        """Return an invoice's credit notes, newest first."""
        parameters: Any = {"invoice": invoice_id, "limit": PAGE}
        return ask_all(lambda: self._client.v1.credit_notes.list(parameters), _note)

    def credit_grants_of(self, customer_id: str) -> list[CreditGrant]:
        """Return a customer's credit grants, newest first; expired and voided ones too."""
        parameters: Any = {"customer": customer_id, "limit": PAGE}
        return ask_all(lambda: self._client.v1.billing.credit_grants.list(parameters), _grant)

    def expire_credit_grant(self, grant_id: str, *, at: datetime) -> None:
        """Let a credit grant end at an instant that is still to come."""
        ask(
            lambda: self._client.v1.billing.credit_grants.update(
                grant_id, {"expires_at": seconds(at)}
            ),
            nothing,
        )

    def void_credit_grant(self, grant_id: str) -> None:
        """Take back what is left of a credit grant, for good."""
        ask(lambda: self._client.v1.billing.credit_grants.void_grant(grant_id), nothing)


def _note(found: Any) -> CreditNote:
    return CreditNote(
        id=found.id,
        invoice_id=reference(found.invoice),
        amount_cents=found.amount,
        status=found.status,
        created_at=instant(found.created),
        metadata=metadata(found),
    )


def _grant(found: Any) -> CreditGrant:
    return CreditGrant(
        id=found.id,
        customer_id=reference(found.customer),
        amount_cents=found.amount.monetary.value if found.amount.monetary else 0,
        starts_at=instant_or_none(found.effective_at),
        expires_at=instant_or_none(found.expires_at),
        voided_at=instant_or_none(found.voided_at),
        metadata=metadata(found),
        is_paid_for=found.category == "paid",
    )
