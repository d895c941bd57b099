"""The contents of the page of invoices, and of the file that it offers."""

from collections.abc import Sequence
from dataclasses import dataclass

from bencher import dates
from bencher.dates import Written
from billing import money, stripe_links
from billing.invoices import Billed, Invoice, Owed, Row
from billing.models import BillingPeriod
from billing.usage import Usage
from billing.wording import Said, Tone

# What Stripe says of an invoice, in our words.
_STATUSES = {
    "draft": Said("Not final yet", Tone.NEUTRAL),
    "open": Said("To be paid", Tone.ATTENTION),
    "paid": Said("Paid", Tone.GOOD),
    "uncollectible": Said("Not collected", Tone.ATTENTION),
    "void": Said("Void", Tone.NEUTRAL, "It is not to be paid."),
}
_NO_INVOICE = Said(
    "No invoice here yet",
    Tone.NEUTRAL,
    "Stripe makes it within hours of the period’s end. What Stripe has, its own page shows.",
)
_COVERED = Said("Nothing to pay", Tone.GOOD, "The trial covered it, so it needs no invoice.")

# Why Stripe made an invoice that bills no statement of ours.
_START = "Start of the plan"
_WITHOUT_STATEMENT = {
    "draft": "Its period is being closed; the statement follows within minutes.",
    "start": "Nothing is billed in advance, so there is no statement.",
    "other": "No active series are billed by it, so there is no statement: an older plan is billed"
    " by its metrics.",
}


@dataclass(frozen=True, slots=True)
class InvoiceRow:
    """A line of the list; every text may be empty, except date, kind and status."""

    made: Written
    number: str
    period: str
    kind: str
    series: str
    amount: str
    tax: str
    status: Said
    notes: tuple[str, ...]
    page_url: str
    pdf_url: str
    statement: str


@dataclass(frozen=True, slots=True)
class OwedShown:
    """What is still to be paid."""

    amount: str
    invoices: str
    page_url: str
    next_attempt: Written | None


@dataclass(frozen=True, slots=True)
class NextInvoice:
    """What the next invoice comes to as it stands."""

    amount: str
    series: str
    ends: Written
    counted_at: Written
    meaning: str


def rows(found: Sequence[Row]) -> list[InvoiceRow]:
    """Return the lines of the list."""
    return [_row(row.billed, row.invoice, row) for row in found]


def owed(found: Owed | None) -> OwedShown | None:
    """Return what is still to be paid; None for nothing."""
    if found is None:
        return None
    return OwedShown(
        amount=money.written(found.cents, found.currency),
        invoices="one invoice" if found.invoices == 1 else f"{found.invoices:,} invoices",
        page_url=stripe_links.checked(found.page_url),
        next_attempt=dates.moment(found.next_attempt_at) if found.next_attempt_at else None,
    )


def upcoming(usage: Usage) -> NextInvoice | None:
    """Return what the next invoice comes to; None where no period of series runs."""
    if usage.plan is None or usage.period is None or usage.estimate_cents is None:
        return None
    return NextInvoice(
        amount=money.written(usage.estimate_cents),
        series=f"{usage.count.billed:,}",
        ends=dates.moment(usage.period.ends_at),
        counted_at=dates.time_of_day(usage.count.counted_at),
        meaning=_meaning(usage.period, ends=usage.plan.cancel_at_period_end),
    )


def _meaning(period: BillingPeriod, *, ends: bool) -> str:
    if period.kind == BillingPeriod.Kind.TRIAL:
        return "The trial covers this period."
    last = ", which is the last one" if ends else ""
    return f"Before tax, at the count so far; Stripe charges it after the period{last}."


def _row(billed: Billed | None, invoice: Invoice | None, row: Row) -> InvoiceRow:
    return InvoiceRow(
        made=dates.day(row.at),
        number=(invoice and invoice.number) or "",
        period=_period(billed, invoice),
        kind=_kind(billed, invoice),
        series=f"{billed.series:,}" if billed else "",
        amount=_amount(billed, invoice),
        tax=money.written(invoice.tax_cents, invoice.currency) if invoice else "",
        status=_status(billed, invoice),
        notes=tuple(filter(None, _notes(billed, invoice))),
        page_url=stripe_links.checked(invoice.page_url) if invoice else "",
        pdf_url=stripe_links.checked(invoice.pdf_url) if invoice else "",
        statement=str(billed.uuid) if billed else "",
    )


def _period(billed: Billed | None, invoice: Invoice | None) -> str:
    span = billed or invoice
    if span is None or span.starts_at == span.ends_at:
        return ""
    return dates.span(span.starts_at, span.ends_at)


def _kind(billed: Billed | None, invoice: Invoice | None) -> str:
    if billed:
        return "Trial" if billed.kind == BillingPeriod.Kind.TRIAL else "Pro"
    if invoice and invoice.reason == "subscription_create":
        return _START
    return "Other" if invoice and invoice.status != "draft" else "Period being closed"


def cents_before_tax(billed: Billed | None, invoice: Invoice | None) -> int:
    """Return the amount of a row; of a draft, which may still change, the statement's."""
    if billed and (invoice is None or invoice.status == "draft"):
        return billed.amount_cents
    assert invoice is not None
    return invoice.total_cents - invoice.tax_cents


def _amount(billed: Billed | None, invoice: Invoice | None) -> str:
    shown = invoice or billed
    assert shown is not None
    return money.written(cents_before_tax(billed, invoice), shown.currency)


def _status(billed: Billed | None, invoice: Invoice | None) -> Said:
    if invoice:
        return _STATUSES.get(invoice.status, Said(invoice.status.capitalize(), Tone.NEUTRAL))
    covered = billed and billed.kind == BillingPeriod.Kind.TRIAL
    return _COVERED if covered else _NO_INVOICE


def _notes(billed: Billed | None, invoice: Invoice | None) -> tuple[str, ...]:
    return (
        _of_invoice(invoice) if invoice else "",
        _credited(invoice) if invoice else "",
        _of_statement(billed) if billed else _without_statement(invoice),
    )


def _of_invoice(invoice: Invoice) -> str:
    if invoice.status == "draft" and invoice.finalizes_at:
        return f"Final after {dates.moment(invoice.finalizes_at).text}."
    is_open = invoice.status in ("open", "uncollectible")
    if is_open and 0 < invoice.remaining_cents < invoice.total_cents:
        return f"{money.written(invoice.remaining_cents, invoice.currency)} is still to be paid."
    return ""


def _credited(invoice: Invoice) -> str:
    if not invoice.credited_cents:
        return ""
    given = money.written(invoice.credited_cents, invoice.currency)
    return f"Credit notes give back {given} of it."


def _of_statement(billed: Billed) -> str:
    if billed.corrected_cents:
        given = money.written(billed.corrected_cents, billed.currency)
        return f"The statement was corrected by {given}; it says why."
    if billed.agrees is False:
        return f"Differs from its statement, and our staff know: {billed.difference}"
    return ""


def _without_statement(invoice: Invoice | None) -> str:
    if invoice is None:
        return ""
    if invoice.status == "draft":
        return _WITHOUT_STATEMENT["draft"]
    is_start = invoice.reason == "subscription_create"
    return _WITHOUT_STATEMENT["start" if is_start else "other"]


COLUMNS = [
    "made_at",
    "invoice_number",
    "invoice_status",
    "period_start",
    "period_end",
    "kind",
    "active_series",
    "currency",
    "amount",
    "tax",
    "credited",
    "remaining",
    "invoice_id",
    "statement_uuid",
]


def cells(row: Row) -> list[object]:
    """Return the cells of a row, as COLUMNS names them; amounts in whole currency units."""
    billed, invoice = row.billed, row.invoice
    shown = billed or invoice
    assert shown is not None
    return [
        row.at,
        invoice and invoice.number,
        invoice.status if invoice else "none",
        shown.starts_at,
        shown.ends_at,
        _kind(billed, invoice),
        billed and billed.series,
        shown.currency,
        money.plain(cents_before_tax(billed, invoice)),
        invoice and money.plain(invoice.tax_cents),
        invoice and money.plain(invoice.credited_cents),
        invoice and money.plain(invoice.remaining_cents),
        invoice and invoice.id,
        billed and str(billed.uuid),
    ]
