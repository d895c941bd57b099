"""Reconciling usage that adds up: reports and runners' minutes, the outbox, Stripe's meter.

As `reconcile` does for series: what differs becomes a Drift row, and nothing is corrected. Metrics
are compared in every period of an older plan, minutes in every period of an organization that ever
posted any.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from bencher.tenancy.models import Organization
from billing import drift, drift_rows, gateway, reconcile, usage_drift, usage_figures
from billing.drift import Difference
from billing.models import BillingPeriod, Drift, MeterEvent, MetricsPeriod, RunnerMinutes
from billing.reconcile import Progress
from billing.usage_figures import Metered, UsageFigures, Window

logger = logging.getLogger(__name__)

Meter = MeterEvent.Meter


@dataclass(frozen=True, slots=True)
class Checked:
    """What reconciling one meter in one period found. `unknown` says who could not be asked."""

    metered: Metered
    figures: UsageFigures
    held: int | None
    differences: list[Difference]
    unknown: str = ""

    @property
    def period(self) -> BillingPeriod | MetricsPeriod:
        """Return the period."""
        return self.metered.period

    @property
    def meter(self) -> MeterEvent.Meter:
        """Return the meter that bills it."""
        return self.metered.meter

    def shown(self) -> dict[str, Any]:
        """Return the figures as JSON; what is not known is null."""
        return {**asdict(self.figures), "stripe": self.held}


@dataclass(slots=True)
class _Stripe:
    """Stripe, asked what its meters hold; which there are is asked once."""

    _ids: dict[str, str] = field(default_factory=dict)

    def held(self, window: Window) -> int:
        stripe = gateway.connect()
        if window.starts_at >= window.ends_at:
            return 0
        self._ids = self._ids or {meter.event_name: meter.id for meter in stripe.meters()}
        meter = window.metered.meter.value
        if meter not in self._ids:
            raise gateway.NotConfiguredError(f"Stripe has no meter {meter}.")
        return stripe.summary(
            meter_id=self._ids[meter],
            customer_id=window.metered.stripe_customer_id,
            starts_at=window.starts_at,
            ends_at=window.ends_at,
        )


def everything(
    *,
    now: datetime,
    organization: Organization | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Iterator[reconcile.Checked | Checked]:
    """Check series and then what adds up: every figure of every meter; yield each result."""
    yield from reconcile.run(now=now, organization=organization, dry_run=dry_run, progress=progress)
    yield from run(now=now, organization=organization, dry_run=dry_run)


def run(
    *, now: datetime, organization: Organization | None = None, dry_run: bool = False
) -> Iterator[Checked]:
    """Check every period that may still change, or all of one organization; yield each result.

    Stores and resolves Drift rows as it goes, but in a dry run. Where Stripe can't be asked nothing
    is resolved.
    """
    stripe = _Stripe()
    metered = list(_metered(organization, now=now))
    for start in range(0, len(metered), reconcile.CHUNK):
        checked = list(_check(metered[start : start + reconcile.CHUNK], stripe, now=now))
        if not dry_run:
            _note(checked, now=now)
        yield from checked


def _note(checked: Sequence[Checked], *, now: datetime) -> None:
    """Resolve the drift of periods that agree, and store that of those that do not."""
    for meter in Meter:
        agreeing = [
            one.period
            for one in checked
            if one.meter == meter and not (one.differences or one.unknown)
        ]
        drift_rows.resolve(agreeing, meter, now=now)
    for one in checked:
        if one.differences:
            drift_rows.store(one.period, one.meter, one.differences, figures=one.shown(), now=now)


def _metered(organization: Organization | None, *, now: datetime) -> Iterator[Metered]:
    own = {"organization": OuterRef("organization")}
    minutes = Exists(RunnerMinutes.objects.filter(**own)) | Exists(
        MeterEvent.objects.filter(meter=Meter.RUNNER_MINUTES, **own)
    )
    older = MetricsPeriod.objects.select_related("organization__billing_customer")
    pro = BillingPeriod.objects.select_related("organization__billing_customer")
    wanted: list[tuple[Meter, QuerySet[Any], str]] = [
        (Meter.METRICS, older, "metrics_period"),
        (Meter.RUNNER_MINUTES, older.filter(minutes), "metrics_period"),
        (Meter.RUNNER_MINUTES, pro.filter(minutes), "period"),
    ]
    for meter, periods, of in wanted:
        for period in _periods(periods, organization, meter, of=of, now=now):
            customer = period.organization.billing_customer
            yield Metered(meter, period, customer.stripe_customer_id)


def _periods(
    periods: QuerySet[Any],
    organization: Organization | None,
    meter: Meter,
    *,
    of: str,
    now: datetime,
) -> QuerySet[Any]:
    begun = periods.filter(starts_at__lte=now)
    if organization is not None:
        begun = begun.filter(organization=organization)
    else:
        drifting = Drift.objects.filter(meter=meter, resolved_at=None).values(of)
        begun = begun.filter(Q(ends_at__gte=now - reconcile.LOOKBACK) | Q(pk__in=drifting))
    return begun.order_by("organization_id", "starts_at")


def _check(chunk: Sequence[Metered], stripe: _Stripe, *, now: datetime) -> Iterator[Checked]:
    lagging, forgotten = now - drift.LAG, now - usage_drift.FORGOTTEN
    wanted = usage_figures.settled(
        [usage_figures.window(metered) for metered in chunk], lagging=lagging
    )
    # Stripe first: what is sent meanwhile is newer here, and may be there already.
    held = [_held(window, stripe) for window in wanted]
    found = usage_figures.of(wanted, lagging=lagging, forgotten=forgotten)
    for metered, figures, known in zip(chunk, found, held, strict=True):
        if figures is not None:
            differences = usage_drift.differences(metered.meter, figures, known)
            unknown = "Stripe" if known is None else ""
            yield Checked(metered, figures, known, list(differences), unknown)


def _held(window: Window, stripe: _Stripe) -> int | None:
    try:
        return stripe.held(window)
    except (gateway.GatewayError, gateway.NotConfiguredError) as error:
        metered = window.metered
        logger.warning(
            "Stripe can't be asked",
            extra={"period": metered.period.pk, "meter": metered.meter.value, "why": str(error)},
        )
        return None
