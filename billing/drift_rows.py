"""Storing what the reconciliation found: a Drift row where figures differ, until they agree."""

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db.models import OuterRef, Q, QuerySet

from billing.drift import Difference
from billing.models import BillingPeriod, Drift, MeterEvent, MetricsPeriod

logger = logging.getLogger(__name__)

Meter = MeterEvent.Meter


def resolve(
    periods: Sequence[BillingPeriod | MetricsPeriod], meter: Meter, *, now: datetime
) -> None:
    """Resolve the drifts of periods whose figures agree."""
    drifts = Drift.objects.filter(meter=meter, resolved_at=None)
    for kind in (BillingPeriod, MetricsPeriod):
        agreeing = [period.pk for period in periods if isinstance(period, kind)]
        if agreeing:
            drifts.filter(**{f"{_field(kind)}__in": agreeing}).update(resolved_at=now)


def store(
    period: BillingPeriod | MetricsPeriod,
    meter: Meter,
    differences: Sequence[Difference],
    *,
    figures: dict[str, Any],
    now: datetime,
) -> None:
    """Store what differs in a period, in the unresolved row that there is or in a new one."""
    found = {
        "reason": differences[0].reason,
        "differences": "\n".join(difference.sentence for difference in differences),
        "figures": figures,
        "checked_at": now,
    }
    Drift.objects.update_or_create(
        meter=meter,
        resolved_at=None,
        **{_field(type(period)): period},
        defaults=found,
        create_defaults={
            "organization_id": period.organization_id,
            "found_at": now,
            **found,
        },
    )
    logger.error(
        "figures differ",
        extra={"period": period.pk, "meter": meter.value, "reason": found["reason"]},
    )


def unresolved_of_plans() -> QuerySet[Drift]:
    """Return what differs of the plan of an outer query: of its own periods, of either kind."""
    own = Q(period__plan=OuterRef("pk")) | Q(metrics_period__plan=OuterRef("pk"))
    # The organization is what drifts have an index by.
    return Drift.objects.filter(own, organization=OuterRef("organization"), resolved_at=None)


def _field(kind: type[BillingPeriod | MetricsPeriod]) -> str:
    return "period" if kind is BillingPeriod else "metrics_period"
