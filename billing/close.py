"""Closing a period: raise the fence, recount from the reports, freeze the statement, post.

Two transactions. The first raises the fence, after which no report can enter the period any more;
the second recounts and freezes. A crash between them or after them is continued by the next run,
and constraints make a second statement for one period impossible.
"""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import QuerySet

from bencher import clock, db
from billing import evidence, minutes, posting, pricing
from billing.models import BillingCustomer, BillingPeriod, MeterEvent, Statement
from series import counting, fence, recounting
from series.counting import Basis

logger = logging.getLogger(__name__)

# A project that was flipped or deleted so shortly before the end moved the bill: people are told.
LATE = timedelta(days=2)


class OlderPeriodError(Exception):
    """An older period of the same organization is still to be closed; it goes first."""

    def __init__(self, period_id: int) -> None:
        super().__init__(f"Period {period_id} waits: an older one of its organization is open.")


class AlreadyClosedError(Exception):
    """The period is closed: there is nothing to foresee."""


class PeriodNotEndedError(Exception):
    """The period ends later than was thought; the next run looks again."""


class LedgerDisagreesError(Exception):
    """Ledger and recount differ although both can answer; a person must look."""

    def __init__(self, period_id: int, *, ledger: int, recount: int) -> None:
        super().__init__(
            f"Period {period_id}: the ledger has {ledger} series, the reports have {recount}."
        )


@dataclass(frozen=True, slots=True)
class Closing:
    """What closing a period came to, or would come to."""

    period_id: int
    organization_id: int
    series: int
    total_series: int
    amount_cents: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """How closing a period went: its statement, or why there is none."""

    period_id: int
    statement: Statement | None = None
    failure: str = ""


# One statement, so one snapshot: activity, visibility and its changes, deletion and names.
_EVIDENCE = f"""
CREATE TEMPORARY TABLE closing_evidence ON COMMIT DROP AS
SELECT project.uuid AS project_uuid, project.name AS project_name,
       project.visibility AS project_visibility, project.deleted_at IS NOT NULL AS project_deleted,
       project.deleted_at IS NULL AND (%(basis)s = 'all' OR project.visibility = 'private')
           AS billed,
       testbed.uuid AS testbed_uuid, testbed.name AS testbed_name,
       benchmark.uuid AS benchmark_uuid, benchmark.name AS benchmark_name,
       measure.uuid AS measure_uuid, measure.name AS measure_name,
       active.first_report_uuid, active.first_seen AS first_seen_at,
       active.last_report_uuid, active.last_seen AS last_seen_at,
       late.changes AS late_changes
FROM ({{recount}}) active
JOIN series_project project ON project.id = active.project_id
JOIN series_testbed testbed ON testbed.id = active.testbed_id
JOIN series_benchmark benchmark ON benchmark.id = active.benchmark_id
JOIN series_measure measure ON measure.id = active.measure_id
LEFT JOIN (
    SELECT change.project_id,
           jsonb_agg(jsonb_build_object('kind', change.kind, 'by', who.uuid,
                                        'at', {evidence.instant_sql("change.at")})
                     ORDER BY change.at, change.id) AS changes
    FROM series_projectchange change
    JOIN series_project changed ON changed.id = change.project_id
    LEFT JOIN tenancy_user who ON who.id = change.by_id
    WHERE changed.organization_id = %(organization)s AND change.at >= %(late)s
      AND change.kind <> 'created'
    GROUP BY change.project_id
) late ON late.project_id = active.project_id
"""  # noqa: S608 - expressions of our own code

_TOTALS = f"""
SELECT count(*) FILTER (WHERE billed), count(*), ({evidence.hash_sql("closing_evidence")})
FROM closing_evidence
"""  # noqa: S608 - expressions of our own code

_LATE_CHANGES = """
SELECT project_uuid::text, count(*), late_changes FROM closing_evidence
WHERE late_changes IS NOT NULL GROUP BY project_uuid, late_changes ORDER BY project_uuid
"""

_COLUMNS = (
    "project_uuid, project_name, project_visibility, project_deleted, billed, testbed_uuid,"
    " testbed_name, benchmark_uuid, benchmark_name, measure_uuid, measure_name,"
    " first_report_uuid, first_seen_at, last_report_uuid, last_seen_at"
)


def due(*, now: datetime) -> Iterator[int]:
    """Yield the periods to close, oldest first: ended at least BILLING_CLOSE_DELAY ago."""
    yield from _due(now=now).values_list("id", flat=True)


def _due(*, now: datetime) -> QuerySet[BillingPeriod]:
    return BillingPeriod.objects.filter(
        state=BillingPeriod.State.OPEN, ends_at__lte=now - settings.BILLING_CLOSE_DELAY
    ).order_by("ends_at", "id")


def close_due(*, now: datetime) -> Iterator[Attempt]:
    """Close every period that is due, oldest first, and yield how each went.

    One that fails is logged and holds the younger ones of its organization, not other ones'.
    """
    held: set[int] = set()
    for period_id, organization_id in list(_due(now=now).values_list("id", "organization_id")):
        if organization_id in held:
            yield Attempt(period_id, failure=str(OlderPeriodError(period_id)))
            continue
        try:
            yield Attempt(period_id, statement=close(period_id, now=now))
        except Exception as error:
            logger.exception("a period could not be closed", extra={"period": period_id})
            held.add(organization_id)
            yield Attempt(period_id, failure=str(error) or repr(error))


def preview(*, now: datetime) -> Iterator[Closing]:
    """Yield what closing the due periods would come to, changing nothing."""
    for period in BillingPeriod.objects.filter(id__in=list(due(now=now))).order_by("ends_at"):
        yield _closing(period)


def foresee(period: BillingPeriod, *, now: datetime) -> Closing:
    """Return what closing a period would come to, changing nothing.

    Raises what `close` would raise, and AlreadyClosedError.
    """
    if period.state != BillingPeriod.State.OPEN:
        raise AlreadyClosedError("It is closed already.")
    if period.ends_at > now:
        raise PeriodNotEndedError(f"Period {period.pk} ends at {period.ends_at:%FT%TZ}.")
    _check_is_oldest(period)
    closing, ledger = _closing(period), _ledger(period)
    if ledger is not None and ledger != closing.total_series:
        raise LedgerDisagreesError(period.pk, ledger=ledger, recount=closing.total_series)
    return closing


def _closing(period: BillingPeriod) -> Closing:
    counted = recounting.recount(
        period.organization_id,
        start=period.starts_at,
        end=period.ends_at,
        basis=Basis(period.basis),
    )
    return Closing(
        period_id=period.pk,
        organization_id=period.organization_id,
        series=counted.billed,
        total_series=sum(project.series for project in counted.projects),
        amount_cents=_amount(period, counted.billed),
    )


def close(period_id: int, *, now: datetime) -> Statement:
    """Close one period and return its statement; a closed one is returned as it is.

    Raises LedgerDisagreesError where the two ways of counting differ, OlderPeriodError while an
    older period of the organization is not closed, and PeriodNotEndedError; nothing is frozen
    then.
    """
    period = BillingPeriod.objects.get(pk=period_id)
    if period.ends_at > now:
        raise PeriodNotEndedError(f"Period {period.pk} ends at {period.ends_at:%FT%TZ}.")
    _check_is_oldest(period)
    fenced_to = period.ends_at
    with transaction.atomic(durable=True):
        fence.raise_to(period.organization_id, fenced_to)
    with transaction.atomic(durable=True):
        db.bound_waiting()
        period = BillingPeriod.objects.select_for_update().get(pk=period_id)
        if period.state != BillingPeriod.State.OPEN:
            return Statement.objects.get(period=period)
        if period.ends_at > min(now, fenced_to):
            raise PeriodNotEndedError(f"Period {period.pk} ends at {period.ends_at:%FT%TZ}.")
        statement = _freeze(period, now=now)
        if not posting.is_dark():
            _post(period, statement)
        BillingPeriod.objects.filter(pk=period.pk).update(state=BillingPeriod.State.FROZEN)
    logger.info("period closed", extra={"period": period.pk, "series": statement.series})
    return statement


def _check_is_oldest(period: BillingPeriod) -> None:
    # Before the fence is raised: past an open period it would move that one's late reports on.
    older = BillingPeriod.objects.filter(
        organization_id=period.organization_id,
        state=BillingPeriod.State.OPEN,
        starts_at__lt=period.starts_at,
    )
    if older.exists():
        raise OlderPeriodError(period.pk)


def _freeze(period: BillingPeriod, *, now: datetime) -> Statement:
    with connection.cursor() as cursor:
        cursor.execute(
            _EVIDENCE.format(recount=recounting.queries().with_reports),
            {
                "organization": period.organization_id,
                "start": period.starts_at,
                "end": period.ends_at,
                "basis": period.basis,
                "late": period.ends_at - LATE,
            },
        )
        cursor.execute(_TOTALS)
        row = cursor.fetchone()
        assert row is not None
        billed, total, evidence_sha256 = row
        ledger = _ledger(period)
        if ledger is not None and ledger != total:
            raise LedgerDisagreesError(period.pk, ledger=ledger, recount=total)
        statement = Statement.objects.create(
            period=period,
            organization_id=period.organization_id,
            stripe_subscription_id=period.stripe_subscription_id,
            stripe_price_id=period.stripe_price_id,
            starts_at=period.starts_at,
            ends_at=period.ends_at,
            kind=period.kind,
            series=billed,
            ledger_series=ledger,
            total_series=total,
            tier_up_to=pricing.band(pricing.ladder(period.tiers), billed).tier.up_to,
            amount_cents=_amount(period, billed),
            evidence_sha256=evidence_sha256,
            late_changes=_late_changes(),
            closed_at=now,
        )
        cursor.execute(
            f"INSERT INTO billing_statementline (statement_id, {_COLUMNS})"  # noqa: S608
            f" SELECT %s, {_COLUMNS} FROM closing_evidence"
            " ORDER BY project_uuid, testbed_uuid, benchmark_uuid, measure_uuid",
            [statement.pk],
        )
        cursor.execute("DROP TABLE closing_evidence")
    return statement


def _late_changes() -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(_LATE_CHANGES)
        return [
            {"project": project, "series": series, **change}
            for project, series, changes in cursor.fetchall()
            for change in json.loads(changes)
        ]


def _ledger(period: BillingPeriod) -> int | None:
    held = counting.held_sql(organization="%(organization)s", start="%(start)s", end="%(end)s")
    with connection.cursor() as cursor:
        cursor.execute(
            held,
            {
                "organization": period.organization_id,
                "start": period.starts_at,
                "end": period.ends_at,
            },
        )
        row = cursor.fetchone()
    assert row is not None
    series: int | None = row[0]
    return series


def _amount(period: BillingPeriod, series: int) -> int:
    if period.kind == BillingPeriod.Kind.TRIAL:
        return 0
    return pricing.amount_cents(pricing.ladder(period.tiers), series)


def _post(period: BillingPeriod, statement: Statement) -> None:
    # Also 0, and also in a trial: Stripe's figure must be ours whatever it is.
    customer = BillingCustomer.objects.get(organization_id=period.organization_id)
    at = minutes.closing_instant(period.ends_at)
    event = MeterEvent.objects.create(
        meter=MeterEvent.Meter.ACTIVE_SERIES,
        organization_id=period.organization_id,
        customer=customer,
        period=period,
        value=statement.series,
        timestamp=at,
        identifier=f"{customer.stripe_customer_id}-active_series-{int(at.timestamp())}",
        reason=MeterEvent.Reason.CLOSE,
        counted_at=clock.now(),
    )
    posting.supersede([event.pk])
