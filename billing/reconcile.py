"""Reconciling: every figure of every Pro period, asked of whoever holds it, and compared.

Count, recount, the value posted last, Stripe's meter, the invoice and its settlement. What differs
becomes a Drift row, which resolves once it is gone. Nothing is corrected here. What adds up is
compared by `usage_reconcile`.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import DatabaseError, transaction
from django.db.models import Q, QuerySet

from bencher.tenancy.models import Organization
from billing import drift, drift_rows, figures, gateway, posting, settlement
from billing.drift import AtStripe, Difference
from billing.figures import Figures
from billing.meter_readings import Readings
from billing.models import METERED_STATUSES, BillingPeriod, Drift, MeterEvent

logger = logging.getLogger(__name__)

# Older settled periods are asked about by organization: `manage.py reconcile ORGANIZATION`.
LOOKBACK = timedelta(days=62)
CHUNK = 50
METER = MeterEvent.Meter.ACTIVE_SERIES

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Checked:
    """What reconciling one period found. `unknown` says who could not be asked."""

    period: BillingPeriod
    figures: Figures | None
    stripe: AtStripe | None
    differences: list[Difference]
    unknown: str = ""

    @property
    def meter(self) -> MeterEvent.Meter:
        """Return the meter that bills it."""
        return METER

    def shown(self) -> dict[str, Any]:
        """Return the figures as JSON; what is not known is null."""
        own, stripe = self.figures, self.stripe
        return {
            "count": own and own.count,
            "recount": own and own.recount,
            "evidence_expired": own and own.recount is None,
            "posted": own and own.value,
            "delivered": own and own.delivered,
            "stripe": stripe and stripe.summary,
            "statement": own and own.statement_series,
            "statement_cents": own and own.statement_cents,
            "invoice": stripe and stripe.invoiced and asdict(stripe.invoiced),
            "settlement": own and own.settled_invoice,
        }


@dataclass(slots=True)
class Tally:
    """How many periods were compared, differ, and were not fully known."""

    periods: int = 0
    differ: int = 0
    unknown: int = 0

    def add(self, differences: Sequence[Difference], unknown: str) -> None:
        """Count another one."""
        self.periods += 1
        self.differ += bool(differences)
        self.unknown += bool(unknown)


@dataclass(slots=True)
class Stripe:
    """Stripe, asked for the figures of periods.

    Periods of a subscription that follow each other share one list of its invoices.
    """

    _readings: Readings = field(default_factory=Readings)
    _subscription_id: str | None = None
    _invoices: list[gateway.Invoice] = field(default_factory=list)

    def of(self, period: BillingPeriod) -> AtStripe:
        """Return what Stripe holds of a period. Raises GatewayError and NotConfiguredError."""
        invoiced = None
        if period.state != BillingPeriod.State.OPEN:
            invoices = self._invoices_of(period.stripe_subscription_id)
            invoiced = settlement.invoiced(period, invoices)
        return AtStripe(summary=self.summary(period), invoiced=invoiced)

    def _invoices_of(self, subscription_id: str) -> list[gateway.Invoice]:
        if subscription_id != self._subscription_id:
            self._invoices = gateway.connect().invoices_of(subscription_id)
            self._subscription_id = subscription_id
        return self._invoices

    def summary(self, period: BillingPeriod) -> int:
        """Return what the meter holds in the whole minutes of a period, which is the period."""
        return self._readings.held(
            price_id=period.stripe_price_id,
            customer_id=period.organization.billing_customer.stripe_customer_id,
            starts_at=period.starts_at,
            ends_at=period.ends_at,
        )


def run(
    *,
    now: datetime,
    organization: Organization | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Iterator[Checked]:
    """Check every period that may still change, or all of one organization; yield each result.

    Stores and resolves Drift rows as it goes, but in a dry run. Whoever can't be asked is unknown:
    no drift is stored for it and none is resolved, and the others go on.
    """
    period_ids = list(_periods(organization, now=now).values_list("id", flat=True))
    stripe, done = Stripe(), 0
    for start in range(0, len(period_ids), CHUNK):
        chunk = list(_check(period_ids[start : start + CHUNK], stripe, now=now))
        if not dry_run:
            _note(chunk, now=now)
        for checked in chunk:
            done += 1
            if progress:
                progress(done, len(period_ids))
            yield checked


def _note(chunk: list[Checked], *, now: datetime) -> None:
    """Resolve the drift of periods that agree, and store that of those that do not."""
    agreeing = [one.period for one in chunk if not (one.differences or one.unknown)]
    drift_rows.resolve(agreeing, METER, now=now)
    for checked in chunk:
        if checked.differences:
            drift_rows.store(
                checked.period,
                METER,
                checked.differences,
                figures=checked.shown(),
                now=now,
            )


def _periods(organization: Organization | None, *, now: datetime) -> QuerySet[BillingPeriod]:
    begun = BillingPeriod.objects.filter(starts_at__lte=now)
    if organization is not None:
        found = begun.filter(organization=organization)
    else:
        # An unresolved drift is looked at until it is gone, however old its period.
        drifting = Drift.objects.filter(meter=METER, resolved_at=None).values("period")
        found = begun.filter(
            ~Q(state=BillingPeriod.State.SETTLED)
            | Q(ends_at__gte=now - LOOKBACK)
            | Q(pk__in=drifting)
        )
    return found.order_by("organization_id", "starts_at")


def _check(period_ids: list[int], stripe: Stripe, *, now: datetime) -> Iterator[Checked]:
    periods = (
        BillingPeriod.objects.select_related("organization__billing_customer")
        .order_by("organization_id", "starts_at")
        .filter(pk__in=period_ids)
    )
    # Stripe first: what is sent meanwhile is newer here and still pending there. The other way
    # round Stripe would hold what nobody here has sent yet.
    held = {period: _held(period, stripe) for period in periods}
    found = _figures(period_ids, now=now)
    for period, at_stripe in held.items():
        if period.pk not in found:
            yield Checked(period, None, None, [], unknown="our own figures")
            continue
        yield _compare(period, found[period.pk], at_stripe, now=now)


def _held(period: BillingPeriod, stripe: Stripe) -> AtStripe | None:
    try:
        return stripe.of(period)
    except (gateway.GatewayError, gateway.NotConfiguredError) as error:
        logger.warning("Stripe can't be asked", extra={"period": period.pk, "why": str(error)})
        return None


def _figures(period_ids: list[int], *, now: datetime) -> dict[int, Figures]:
    try:
        found = _read(period_ids, now=now)
    except DatabaseError:
        if len(period_ids) == 1:
            logger.exception("a period can't be reconciled", extra={"period": period_ids[0]})
            return {}
        one_by_one = [_figures([period_id], now=now) for period_id in period_ids]
        return {key: value for each in one_by_one for key, value in each.items()}
    return {one.period_id: one for one in found}


def _read(period_ids: list[int], *, now: datetime) -> list[Figures]:
    # A failing statement must leave a caller's transaction usable for the other periods.
    with transaction.atomic():
        return figures.of(period_ids, statuses=METERED_STATUSES, lagging=now - drift.LAG)


def _compare(
    period: BillingPeriod, own: Figures, held: AtStripe | None, *, now: datetime
) -> Checked:
    differences = drift.differences(
        own,
        held,
        close_delay=settings.BILLING_CLOSE_DELAY,
        is_dark=posting.is_dark(),
        now=now,
    )
    return Checked(period, own, held, differences, unknown="" if held else "Stripe")
