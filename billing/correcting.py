"""Correcting a closed statement: proposed by one member of staff, decided by another.

Downwards, the difference is given back by a credit note on the invoice. Upwards it is recorded and
never charged: nobody pays for a mistake of ours.
"""

import logging
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from bencher.tenancy.models import User
from billing import gateway, money, pricing
from billing.models import BillingPeriod, Correction, CorrectionDecision, Settlement, Statement

logger = logging.getLogger(__name__)

# In the credit note's metadata, by which a repeat knows it.
CORRECTION = "bencher_correction"


class CorrectionError(Exception):
    """The correction can't be proposed or decided; the message says why."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What a correction would do. Amounts in cents."""

    before_series: int
    before_cents: int
    series: int
    amount_cents: int

    @property
    def credit_cents(self) -> int:
        """Return what would be given back."""
        return max(0, self.before_cents - self.amount_cents)


def effect(statement: Statement, *, series: int) -> Effect:
    """Return what correcting a statement to a count would do; nothing is stored.

    Raises CorrectionError where it says so already.
    """
    before_series, before_cents = current(statement)
    if series == before_series:
        raise CorrectionError(f"The statement says {series} series already.")
    return Effect(
        before_series=before_series,
        before_cents=before_cents,
        series=series,
        amount_cents=_amount(statement, series),
    )


def current(statement: Statement) -> tuple[int, int]:
    """Return the series and cents that hold for a statement: its own, or as corrected last."""
    applied = (
        Correction.objects.filter(statement=statement, decision__applied=True)
        .order_by("-decision__decided_at", "-pk")
        .first()
    )
    if applied is None:
        return statement.series, statement.amount_cents
    return applied.series, applied.amount_cents


def check_is_decided(statement: Statement) -> None:
    """Raise CorrectionError while a correction of a statement waits for its second person."""
    undecided = Correction.objects.filter(statement=statement, decision=None).first()
    if undecided is not None:
        raise CorrectionError(
            f"Correction {undecided.uuid} of this statement is not decided yet: {undecided}."
        )


def check_is_open(correction: Correction) -> None:
    """Raise CorrectionError where a correction was decided already."""
    decision = CorrectionDecision.objects.filter(correction=correction).first()
    if decision is not None:
        raise CorrectionError(f"This correction was {decision} already.")


def propose(statement: Statement, *, series: int, why: str, by: User, now: datetime) -> Correction:
    """Store a correction for a second person to decide. Raises CorrectionError."""
    if not why.strip():
        raise CorrectionError("A correction needs a reason.")
    with transaction.atomic(durable=True):
        _lock(statement.pk)
        check_is_decided(statement)
        found = effect(statement, series=series)
        correction = Correction.objects.create(
            statement=statement,
            series=found.series,
            amount_cents=found.amount_cents,
            before_series=found.before_series,
            before_cents=found.before_cents,
            why=why.strip(),
            proposed_by=by,
            proposed_at=now,
        )
        correction.refresh_from_db(fields=["uuid"])
    logger.warning("correction proposed", extra={"correction": correction.pk, "by": by.pk})
    return correction


def apply(correction: Correction, *, by: User, now: datetime) -> CorrectionDecision:
    """Apply a correction and give back the difference, once; a repeat returns what was decided.

    Raises CorrectionError, TemporaryError and RefusedError; after each it can be tried again.
    """
    decided = _decided(correction, by=by, applied=True)
    if decided is not None:
        return decided
    # Stripe first: a decision that is stored says what was really given back.
    note = _credit(correction)
    return _decide(correction, applied=True, note=note, by=by, now=now)


def decline(correction: Correction, *, by: User, now: datetime) -> CorrectionDecision:
    """Decline a correction; whoever proposed it may do that too. Raises CorrectionError."""
    decided = _decided(correction, by=None, applied=False)
    if decided is not None:
        return decided
    return _decide(correction, applied=False, note="", by=by, now=now)


def _decided(
    correction: Correction, *, by: User | None, applied: bool
) -> CorrectionDecision | None:
    found = CorrectionDecision.objects.filter(correction=correction).first()
    if found is not None and found.applied != applied:
        raise CorrectionError(f"This correction was {found} already.")
    if found is None and by is not None and by.pk == correction.proposed_by_id:
        raise CorrectionError("A second person applies a correction, not who proposed it.")
    return found


def _decide(
    correction: Correction, *, applied: bool, note: str, by: User, now: datetime
) -> CorrectionDecision:
    with transaction.atomic(durable=True):
        _lock(correction.statement_id)
        decision, _ = CorrectionDecision.objects.get_or_create(
            correction=correction,
            defaults={
                "applied": applied,
                "stripe_credit_note_id": note,
                "decided_by": by,
                "decided_at": now,
            },
        )
    if decision.applied != applied:
        raise CorrectionError(f"This correction was {decision} in the meantime.")
    logger.warning(
        "correction decided",
        extra={"correction": correction.pk, "applied": applied, "by": by.pk},
    )
    return decision


def _credit(correction: Correction) -> str:
    """Return the credit note that gives the difference back, made where there is none yet."""
    if correction.credit_cents == 0:
        return ""
    settlement = (
        Settlement.objects.filter(statement=correction.statement).order_by("-settled_at").first()
    )
    if settlement is None:
        raise CorrectionError(
            "The invoice of this statement is not final yet; apply the correction after that."
        )
    stripe = gateway.connect()
    # Stripe forgets idempotency keys after a day, and this may be tried again later than that.
    for note in stripe.credit_notes_of(settlement.stripe_invoice_id):
        if note.metadata.get(CORRECTION) == str(correction.uuid):
            return note.id
    invoice = stripe.invoice(settlement.stripe_invoice_id)
    credited = stripe.credit(
        invoice.id,
        amount_cents=correction.credit_cents,
        memo=(
            f"Correction of the active series from {correction.before_series:,} to"
            f" {correction.series:,}: {money.written(correction.credit_cents)} are given back."
        ),
        paid=invoice.status == "paid",
        idempotency_key=f"correction-{correction.uuid}",
        notes={CORRECTION: str(correction.uuid)},
    )
    return credited.id


def _amount(statement: Statement, series: int) -> int:
    if statement.kind == BillingPeriod.Kind.TRIAL:
        return 0
    return pricing.amount_cents(pricing.ladder(statement.period.tiers), series)


def _lock(statement_id: int) -> None:
    # Corrections of a statement are proposed and decided one at a time.
    Statement.objects.select_for_update().get(pk=statement_id)
