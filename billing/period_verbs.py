"""What staff may do about the count of a period: recount, close, correct."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django import forms

from bencher.reasoned_action import Asked, Verb, action
from bencher.tenancy.models import User
from billing import close, correcting, gateway, money, recounts
from billing.models import BillingPeriod, Correction, Statement
from series import recounting


def _foresee_recount(period: BillingPeriod, at: datetime, _values: Mapping[str, Any]) -> str:
    return recounts.recount(period, now=at).sentence


def _recount(period: BillingPeriod, asked: Asked) -> str:
    found = recounts.recount(period, now=asked.at)
    if found.statement is not None and found.differs:
        correcting.propose(
            found.statement, series=found.series, why=asked.reason, by=asked.by, now=asked.at
        )
    return found.sentence


def _closed(series: int, amount_cents: int) -> str:
    return f"closed with {series:,} series, {money.written(amount_cents)}."


def _foresee_close(period: BillingPeriod, at: datetime, _values: Mapping[str, Any]) -> str:
    found = close.foresee(period, now=at)
    return _closed(found.series, found.amount_cents)


def _close(period: BillingPeriod, asked: Asked) -> str:
    from billing.tasks import send_meter_events

    statement = close.close(period.pk, now=asked.at)
    send_meter_events.delay()
    return _closed(statement.series, statement.amount_cents)


def _corrected(effect: correcting.Effect | Correction) -> str:
    return (
        f"{effect.before_series:,} to {effect.series:,} series,"
        f" {money.written(effect.before_cents)} to {money.written(effect.amount_cents)};"
        f" {money.written(effect.credit_cents)} are given back once a second person applies it."
    )


def _foresee_proposal(statement: Statement, _at: datetime, values: Mapping[str, Any]) -> str:
    correcting.check_is_decided(statement)
    return _corrected(correcting.effect(statement, series=values["series"]))


def _propose(statement: Statement, asked: Asked) -> str:
    return _corrected(
        correcting.propose(
            statement,
            series=asked.values["series"],
            why=asked.reason,
            by=asked.by,
            now=asked.at,
        )
    )


def _given_back(correction: Correction) -> str:
    return f"applied; {money.written(correction.credit_cents)} are given back."


def _check_who_applies(correction: Correction, by: User) -> None:
    correcting.check_can_be_applied(correction, by=by)


def _foresee_applying(correction: Correction, _at: datetime, _values: Mapping[str, Any]) -> str:
    return _given_back(correction)


def _apply(correction: Correction, asked: Asked) -> str:
    correcting.apply(correction, by=asked.by, now=asked.at)
    return _given_back(correction)


def _foresee_declining(correction: Correction, _at: datetime, _values: Mapping[str, Any]) -> str:
    correcting.check_can_be_declined(correction)
    return "declined; the statement stays as it is."


def _decline(correction: Correction, asked: Asked) -> str:
    correcting.decline(correction, by=asked.by, now=asked.at)
    return "declined; the statement stays as it is."


_STRIPE = (gateway.GatewayError, gateway.NotConfiguredError)

recount = action(
    Verb(
        name="recount",
        permission="billing.recount_billingperiod",
        description="Recount from the reports",
        consequence="The series of the period are counted from the reports themselves. Where a"
        " closed statement says otherwise, a correction to the recount is proposed, which a second"
        " person applies. An open period is only compared.",
        foresee=_foresee_recount,
        act=_recount,
        is_sensitive=False,
        anticipated=(recounting.EvidenceExpiredError, correcting.CorrectionError),
    )
)
close_now = action(
    Verb(
        name="close_now",
        permission="billing.close_billingperiod",
        description="Close",
        consequence="No report can enter the period any more. It is recounted from the reports,"
        " its statement is frozen for good, and the count is sent to Stripe.",
        foresee=_foresee_close,
        act=_close,
        anticipated=(
            close.AlreadyClosedError,
            close.PeriodNotEndedError,
            close.OlderPeriodError,
            close.LedgerDisagreesError,
            recounting.EvidenceExpiredError,
        ),
    )
)
propose = action(
    Verb(
        name="propose",
        permission="billing.correct_statement",
        description="Propose a correction",
        consequence="The statement stays as it is, and beside it stands what it should have said."
        " A second person applies or declines it. Downwards, the difference is given back by a"
        " credit note on the invoice; upwards it is recorded and never charged. The customer sees"
        " the reason.",
        foresee=_foresee_proposal,
        act=_propose,
        anticipated=(correcting.CorrectionError,),
        fields={
            "series": forms.IntegerField(
                label="Series that are right", min_value=0, max_value=correcting.MOST_SERIES
            )
        },
    )
)
apply = action(
    Verb(
        name="apply",
        permission="billing.decide_correction",
        description="Apply",
        consequence="The difference is given back by a credit note on the invoice at Stripe."
        " Whoever proposed the correction can't apply it.",
        foresee=_foresee_applying,
        check_who=_check_who_applies,
        act=_apply,
        anticipated=(*_STRIPE, correcting.CorrectionError),
    )
)
decline = action(
    Verb(
        name="decline",
        permission="billing.decide_correction",
        description="Decline",
        consequence="Nothing is given back. The statement stays as it is.",
        foresee=_foresee_declining,
        act=_decline,
        anticipated=(*_STRIPE, correcting.CorrectionError),
    )
)
