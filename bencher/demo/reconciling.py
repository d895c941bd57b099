"""Each figure of a closed period, asked of whoever holds it, beside the statement."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.db import connection

from billing import evidence, money, reconcile
from billing.models import BillingPeriod, MeterEvent, Settlement, Statement
from series import counting, recounting
from series.counting import Basis


@dataclass(frozen=True, slots=True)
class Figure:
    """What one holder of a figure says, and whether it is the statement's; None: it can't tell."""

    name: str
    shown: str
    agrees: bool | None


def figures(period: BillingPeriod) -> Iterator[Figure]:
    """Yield the figures of a closed and settled period, each with whether it agrees."""
    statement = Statement.objects.get(period=period)
    yield Figure("statement", _series(statement.series), agrees=True)
    lines = statement.lines.filter(billed=True).count()
    yield Figure("its billed lines", _series(lines), lines == statement.series)
    hashed = _hash(statement)
    yield Figure("evidence hash", hashed[:16] + "…", hashed == statement.evidence_sha256)
    held = _held_by_ledger(period)
    moved_on = "its rows moved on"
    yield Figure(
        "ledger, billed or not",
        moved_on if held is None else _series(held),
        agrees=None if held is None else held == statement.total_series,
    )
    recount = recounting.recount(
        period.organization_id,
        start=period.starts_at,
        end=period.ends_at,
        basis=Basis(period.basis),
    ).billed
    yield Figure("recount from reports", _series(recount), recount == statement.series)
    event = period.meter_events.filter(reason=MeterEvent.Reason.CLOSE).latest("timestamp")
    delivered = event.sent_at is not None and event.value == statement.series
    yield Figure("closing event, delivered", _series(event.value), delivered)
    metered = reconcile.Stripe().summary(period)
    yield Figure("Stripe's meter", _series(metered), metered == statement.series)
    settlement = Settlement.objects.filter(statement=statement).first()
    if settlement is None:
        yield Figure("invoice line", "no invoice found", agrees=False)
        return
    invoiced = money.written(settlement.amount_cents, statement.currency)
    quantity = "" if settlement.series is None else f"{_series(settlement.series)}, "
    yield Figure("invoice line", quantity + invoiced, settlement.agrees)


def _held_by_ledger(period: BillingPeriod) -> int | None:
    held = counting.held_sql(organization="%(organization)s", start="%(start)s", end="%(end)s")
    bounds = {"start": period.starts_at, "end": period.ends_at}
    with connection.cursor() as cursor:
        cursor.execute(held, {"organization": period.organization_id, **bounds})
        row = cursor.fetchone()
    assert row is not None
    series: int | None = row[0]
    return series


def _hash(statement: Statement) -> str:
    lines = f"(SELECT * FROM billing_statementline WHERE statement_id = {statement.pk}) line"
    with connection.cursor() as cursor:
        cursor.execute(evidence.hash_sql(lines))
        row = cursor.fetchone()
    assert row is not None
    return str(row[0])


def _series(count: int) -> str:
    return f"{count:,} series"
