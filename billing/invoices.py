"""An organization's invoices beside its statements, newest first.

Invoices are Stripe's, as dj-stripe mirrors them; statements are ours. A trial's statement may have
no invoice, and an invoice of an older plan has no statement; both are listed all the same.
"""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from bencher.tenancy.models import Organization
from billing.models import BillingCustomer

Place = tuple[datetime, str]


@dataclass(frozen=True, slots=True)
class Billed:
    """A statement beside its invoice; amounts in cents.

    `agrees` is None until the invoice is final; `corrected_cents` is what corrections gave back.
    """

    uuid: UUID
    starts_at: datetime
    ends_at: datetime
    kind: str
    series: int
    amount_cents: int
    currency: str
    agrees: bool | None
    difference: str | None
    corrected_cents: int


@dataclass(frozen=True, slots=True)
class Invoice:
    """An invoice as Stripe told it last; amounts in cents, `total_cents` with tax."""

    id: str
    number: str | None
    status: str
    reason: str
    currency: str
    starts_at: datetime
    ends_at: datetime
    total_cents: int
    tax_cents: int
    credited_cents: int
    remaining_cents: int
    finalizes_at: datetime | None
    page_url: str
    pdf_url: str


@dataclass(frozen=True, slots=True)
class Row:
    """An invoice, the statement that it bills, or both.

    `at` and `key` are its place in the list: when the invoice was made, or the period ended.
    """

    at: datetime
    key: str
    billed: Billed | None
    invoice: Invoice | None


@dataclass(frozen=True, slots=True)
class Owed:
    """What is still to be paid, in cents, and where the oldest of those invoices can be paid.

    `next_attempt_at` is when Stripe charges the card again by itself; None where it does not.
    """

    cents: int
    currency: str
    invoices: int
    page_url: str
    next_attempt_at: datetime | None


# Which invoice bills a statement is settled once that is final; before, its lines say so, read as
# `settlement.lines_of` reads them.
_ROWS = """
WITH statement AS (
    SELECT statement.*, latest.agrees, latest.difference,
           coalesce(latest.stripe_invoice_id, drafted.id) AS invoice_id,
           coalesce(corrected.cents, 0) AS corrected_cents
    FROM billing_statement statement
    JOIN billing_billingperiod period ON period.id = statement.period_id
    LEFT JOIN LATERAL (
        SELECT settlement.* FROM billing_settlement settlement
        WHERE settlement.statement_id = statement.id
        ORDER BY settlement.settled_at DESC, settlement.id DESC LIMIT 1
    ) latest ON true
    LEFT JOIN LATERAL (
        SELECT invoice.id FROM djstripe_invoice invoice
        WHERE latest.id IS NULL AND invoice.customer_id = %(customer)s AND EXISTS (
            SELECT FROM jsonb_array_elements(invoice.stripe_data #> '{{lines,data}}') line
            WHERE line #>> '{{pricing,price_details,price}}' = statement.stripe_price_id
              AND (line #>> '{{period,start}}')::bigint = extract(epoch FROM statement.starts_at)
              AND (line #>> '{{period,end}}')::bigint IN (
                  extract(epoch FROM statement.ends_at),
                  extract(epoch FROM period.invoiced_until)
              )
        )
        ORDER BY invoice.created DESC LIMIT 1
    ) drafted ON true
    LEFT JOIN LATERAL (
        SELECT sum(greatest(correction.before_cents - correction.amount_cents, 0))::bigint AS cents
        FROM billing_correction correction
        JOIN billing_correctiondecision decision ON decision.correction_id = correction.id
        WHERE correction.statement_id = statement.id AND decision.applied
    ) corrected ON true
    WHERE statement.organization_id = %(organization)s
), invoice AS (
    SELECT id, created, stripe_data AS data FROM djstripe_invoice
    WHERE customer_id = %(customer)s
), entry AS (
    SELECT coalesce(invoice.created, statement.ends_at) AS at,
           concat(invoice.id, '/', statement.uuid) AS key,
           statement.uuid, statement.starts_at, statement.ends_at, statement.kind,
           statement.series, statement.amount_cents, statement.currency, statement.agrees,
           statement.difference, statement.corrected_cents,
           invoice.id, invoice.data ->> 'number', invoice.data ->> 'status',
           coalesce(invoice.data ->> 'billing_reason', ''), invoice.data ->> 'currency',
           to_timestamp((invoice.data ->> 'period_start')::bigint),
           to_timestamp((invoice.data ->> 'period_end')::bigint),
           (invoice.data ->> 'total')::bigint,
           (SELECT coalesce(sum((tax ->> 'amount')::bigint), 0)::bigint
            FROM jsonb_path_query(invoice.data, '$.total_taxes[*]') tax),
           coalesce((invoice.data ->> 'pre_payment_credit_notes_amount')::bigint, 0)
           + coalesce((invoice.data ->> 'post_payment_credit_notes_amount')::bigint, 0),
           coalesce((invoice.data ->> 'amount_remaining')::bigint, 0),
           to_timestamp((invoice.data ->> 'automatically_finalizes_at')::bigint),
           coalesce(invoice.data ->> 'hosted_invoice_url', ''),
           coalesce(invoice.data ->> 'invoice_pdf', '')
    FROM statement FULL JOIN invoice ON invoice.id = statement.invoice_id
)
SELECT * FROM entry
WHERE {after}
ORDER BY at DESC, key DESC
LIMIT %(limit)s
"""

_OWED = """
SELECT coalesce(sum((data ->> 'amount_remaining')::bigint), 0)::bigint, min(data ->> 'currency'),
       count(*), (array_agg(data ->> 'hosted_invoice_url' ORDER BY created))[1],
       to_timestamp(min((data ->> 'next_payment_attempt')::bigint))
FROM (SELECT created, stripe_data AS data FROM djstripe_invoice
      WHERE customer_id = %(customer)s) invoice
WHERE data ->> 'status' IN ('open', 'uncollectible')
  AND (data ->> 'amount_remaining')::bigint > 0
"""

_BILLED = len(fields(Billed))


def page(
    organization: Organization, *, after: Place | None, limit: int
) -> tuple[list[Row], Place | None]:
    """Return up to `limit` rows after a place of the list, and the place where others follow."""
    condition = "(at, key) < (%(at)s, %(key)s)" if after else "true"
    at, key = after or (None, None)
    parameters = _whose(organization) | {"limit": limit + 1, "at": at, "key": key}
    with connection.cursor() as cursor:
        cursor.execute(_ROWS.format(after=condition), parameters)
        rows = [_row(row) for row in cursor.fetchall()]
    shown = rows[:limit]
    return shown, (shown[-1].at, shown[-1].key) if len(rows) > limit else None


def owed(organization: Organization) -> Owed | None:
    """Return what is open of an organization's invoices; None where everything is paid."""
    with connection.cursor() as cursor:
        cursor.execute(_OWED, _whose(organization))
        row = cursor.fetchone()
    assert row is not None
    cents, currency, invoices, page_url, next_attempt_at = row
    return Owed(cents, currency, invoices, page_url or "", next_attempt_at) if cents else None


def _whose(organization: Organization) -> dict[str, Any]:
    customer = BillingCustomer.objects.filter(organization=organization).first()
    return {
        "organization": organization.pk,
        "customer": customer.stripe_customer_id if customer else None,
    }


def _row(row: tuple[Any, ...]) -> Row:
    at, key, *cells = row
    billed, invoice = cells[:_BILLED], cells[_BILLED:]
    return Row(
        at=at,
        key=key,
        billed=Billed(*billed) if billed[0] else None,
        invoice=Invoice(*invoice) if invoice[0] else None,
    )
