"""Correcting a closed statement: proposed by one member of staff, decided by another.

Downwards, the difference is given back by a credit note on the invoice. Upwards it is recorded and
never charged: nobody pays for a mistake of ours.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from bencher import db
from bencher.tenancy.models import User
from billing import gateway, money, pricing
from billing.models import BillingPeriod, Correction, CorrectionDecision, Settlement, Statement

logger = logging.getLogger(__name__)

# In the credit note's metadata, by which a repeat knows it.
CORRECTION = "bencher_correction"
# What a statement can hold.
MOST_SERIES = 2_147_483_647


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

    Raises CorrectionError where it says so already, or that is no count.
    """
    if not 0 <= series <= MOST_SERIES:
        raise CorrectionError(f"A count is a number from 0 to {MOST_SERIES:,}.")
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


def check_can_be_applied(correction: Correction, *, by: User) -> None:
    """Raise CorrectionError where somebody can't apply a correction, as far as is known here."""
    check_is_open(correction)
    _check_is_second(correction, by)
    if correction.credit_cents:
        _invoice_to_credit(correction)


def check_can_be_declined(correction: Correction) -> None:
    """Raise CorrectionError where a correction was decided, or Stripe has given it back already.

    Raises TemporaryError and RefusedError where that can't be seen.
    """
    check_is_open(correction)
    if note := _given_back(correction):
        raise CorrectionError(
            f"Stripe gave the difference back already, by credit note {note}: apply it."
        )


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
    with _one_at_a_time(correction):
        decided = _decided(correction, applied=True)
        if decided is not None:
            return decided
        check_can_be_applied(correction, by=by)
        # Stripe first: a decision that is stored says what was really given back.
        note = _credit(correction)
        return _decide(correction, applied=True, note=note, by=by, now=now)


def decline(correction: Correction, *, by: User, now: datetime) -> CorrectionDecision:
    """Decline a correction; whoever proposed it may do that too.

    Raises CorrectionError, also where Stripe has given the difference back already, as after a
    crash while it was applied; TemporaryError and RefusedError where that can't be seen.
    """
    with _one_at_a_time(correction):
        decided = _decided(correction, applied=False)
        if decided is not None:
            return decided
        check_can_be_declined(correction)
        return _decide(correction, applied=False, note="", by=by, now=now)


@contextmanager
def _one_at_a_time(correction: Correction) -> Iterator[None]:
    # Declined while Stripe gives the difference back, a correction would hide that.
    with db.session_lock(f"billing.correction {correction.pk}", wait=False) as is_held:
        if not is_held:
            raise CorrectionError("Somebody is deciding this correction just now. Look again.")
        yield


def _decided(correction: Correction, *, applied: bool) -> CorrectionDecision | None:
    found = CorrectionDecision.objects.filter(correction=correction).first()
    if found is not None and found.applied != applied:
        raise CorrectionError(f"This correction was {found} already.")
    return found


def _check_is_second(correction: Correction, by: User) -> None:
    if by.pk == correction.proposed_by_id:
        raise CorrectionError("A second person applies a correction, not who proposed it.")


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


def _settled(correction: Correction) -> Settlement | None:
    settled = Settlement.objects.filter(statement=correction.statement)
    return settled.order_by("-settled_at", "-pk").first()


def _invoice_to_credit(correction: Correction) -> str:
    """Return the invoice that a correction lowers. Raises CorrectionError where there is none."""
    settlement = _settled(correction)
    if settlement is None:
        raise CorrectionError(
            "The invoice of this statement is not final yet; apply the correction after that."
        )
    charged, closed = settlement.amount_cents, correction.statement.amount_cents
    if charged != closed:
        # What is given back is reckoned from the statement, and was not charged like that.
        raise CorrectionError(
            f"Invoice {settlement.stripe_invoice_id} charges {money.written(charged)} and the"
            f" statement {money.written(closed)}: give back what was charged too much by a credit"
            " note in Stripe's dashboard, and decline the correction."
        )
    return settlement.stripe_invoice_id


def _given_back(correction: Correction) -> str:
    """Return the credit note that Stripe has of a correction; empty without one."""
    settlement = _settled(correction) if correction.credit_cents else None
    if settlement is None:
        return ""
    # Stripe forgets idempotency keys after a day, and this may be tried again later than that.
    notes = gateway.connect().credit_notes_of(settlement.stripe_invoice_id)
    ours = (note.id for note in notes if note.metadata.get(CORRECTION) == str(correction.uuid))
    return next(ours, "")


def _credit(correction: Correction) -> str:
    """Return the credit note that gives the difference back, made where there is none yet."""
    if correction.credit_cents == 0:
        return ""
    if note := _given_back(correction):
        return note
    stripe = gateway.connect()
    invoice = stripe.invoice(_invoice_to_credit(correction))
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
    # Corrections of a statement are proposed and decided one at a time. Its period stands for it:
    # a row that the application's role can't change is none that it can lock.
    BillingPeriod.objects.select_for_update(of=("self",), no_key=True).get(statement=statement_id)
