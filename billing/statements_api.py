"""An organization's statements, for its leaders."""

from datetime import datetime
from uuid import UUID

import msgspec
from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.views import APIView

from bencher.errors import ApiError
from bencher.rest import answering, reading
from bencher.rest.documenting import endpoint
from bencher.tenancy import api_access, slugs
from bencher.tenancy.models import Organization
from bencher.tenancy.permissions import Permission
from billing import pricing, statements, wire
from billing.models import BillingPeriod, Correction, Settlement, Statement
from billing.wire import (
    JsonBand,
    JsonCorrection,
    JsonLateChange,
    JsonSettlement,
    JsonStatement,
    JsonStatements,
    StatementsQuery,
)
from series import expiry


class StatementList(APIView):
    """Closed periods."""

    @endpoint(
        summary="Statements of closed periods, newest first",
        answer=JsonStatements,
        query=StatementsQuery,
    )
    def get(self, request: Request, organization: str) -> HttpResponse:
        """Answer with a page of statements. Leaders only."""
        found = api_access.organization(request, organization, Permission.MANAGE)
        asked = reading.query(request, StatementsQuery)
        rows, following = statements.page(found, before=asked.before, limit=asked.per_page)
        return answering.one(JsonStatements(_statements(found, rows), following))


class StatementDetail(APIView):
    """One closed period."""

    @endpoint(summary="The statement of a closed period", answer=JsonStatement)
    def get(self, request: Request, organization: str, statement: str) -> HttpResponse:
        """Answer with a statement, by its UUID or by the start of its period. Leaders only."""
        found = api_access.organization(request, organization, Permission.MANAGE)
        try:
            row = statements.find(found, _identifier(statement))
        except statements.NoSuchStatementError as error:
            raise ApiError(404, str(error)) from error
        (shown,) = _statements(found, [row])
        return answering.one(shown)


def _identifier(text: str) -> UUID | datetime:
    uuid = slugs.uuid_of(text)
    if uuid is not None:
        return uuid
    start = wire.instant(text)
    if start is None:
        raise ApiError(
            404, f"{text!r} is neither the UUID of a statement nor the start of its period."
        )
    return start


def _statements(organization: Organization, rows: list[Statement]) -> list[JsonStatement]:
    expired = expiry.has_expired(organization.pk, *(row.starts_at for row in rows))
    return [_statement(row, evidence_expired=gone) for row, gone in zip(rows, expired, strict=True)]


def _statement(statement: Statement, *, evidence_expired: bool) -> JsonStatement:
    settlements = sorted(statement.settlements.all(), key=lambda found: found.settled_at)
    return JsonStatement(
        uuid=statement.uuid,
        organization=statement.organization.uuid,
        start_time=statement.starts_at,
        end_time=statement.ends_at,
        kind=statement.kind,
        covered_by_trial=statement.kind == BillingPeriod.Kind.TRIAL,
        active_series=statement.series,
        total_series=statement.total_series,
        price=statement.stripe_price_id,
        tier=JsonBand.of(pricing.band(pricing.ladder(statement.period.tiers), statement.series)),
        amount_cents=statement.amount_cents,
        currency=statement.currency,
        evidence_sha256=statement.evidence_sha256,
        evidence_expired=evidence_expired,
        late_changes=msgspec.convert(statement.late_changes, list[JsonLateChange]),
        closed_at=statement.closed_at,
        settlement=_settlement(settlements[-1]) if settlements else None,
        corrections=[
            _correction(correction)
            for correction in sorted(statement.corrections.all(), key=lambda found: found.pk)
            if hasattr(correction, "decision") and correction.decision.applied
        ],
    )


def _correction(correction: Correction) -> JsonCorrection:
    return JsonCorrection(
        uuid=correction.uuid,
        active_series=correction.series,
        amount_cents=correction.amount_cents,
        credited_cents=correction.credit_cents,
        credit_note=correction.decision.stripe_credit_note_id or None,
        reason=correction.why,
        applied_at=correction.decision.decided_at,
    )


def _settlement(settlement: Settlement) -> JsonSettlement:
    return JsonSettlement(
        invoice=settlement.stripe_invoice_id,
        series=settlement.series,
        amount_cents=settlement.amount_cents,
        agrees=settlement.agrees,
        difference=settlement.difference,
        settled_at=settlement.settled_at,
    )
