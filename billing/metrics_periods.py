"""Periods of older plans, as Stripe gives them: when which reports are billed by their metrics.

They freeze nothing and raise no fence: a report is billed once, when it came, and never recounted.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from bencher.db import transaction_required
from billing import gateway, periods
from billing.models import METERED_STATUSES, Level, MetricsPeriod, Plan

# A subscription that we first hear of so long after it began was billed by another system.
_NEW = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Span:
    """A period that Stripe has and we have not."""

    starts_at: datetime
    ends_at: datetime
    metered_from: datetime


def to_open(found: gateway.Subscription, item: gateway.Item, *, asked_at: datetime) -> list[Span]:
    """Return the periods of an older plan that are still to be opened, oldest first.

    Those that were missed are read from the invoices, at most one call. A plan that was billed by
    another system until now is metered from now on. Raises TemporaryError and RefusedError.
    """
    known = MetricsPeriod.objects.filter(stripe_subscription_id=found.id)
    last = known.order_by("-starts_at").first()
    spans: list[Span] = []
    if last is not None and last.ends_at < item.starts_at:
        spans = [
            Span(starts_at, ends_at, starts_at)
            for starts_at, ends_at in sorted(periods.billed_spans(found.id, item.price_id).items())
            if last.ends_at <= starts_at and ends_at <= item.starts_at
        ]
    if found.status in METERED_STATUSES and (last is None or last.starts_at < item.starts_at):
        is_taken_over = last is None and asked_at - found.started_at > _NEW
        begin = max(asked_at, item.starts_at) if is_taken_over else item.starts_at
        spans.append(Span(item.starts_at, item.ends_at, begin))
    return spans


@transaction_required
def follow(plan: Plan, item: gateway.Item, spans: Iterable[Span]) -> None:
    """Open periods of a plan and move the bounds of the current one where Stripe moved them."""
    own = MetricsPeriod.objects.filter(stripe_subscription_id=plan.stripe_subscription_id)
    if plan.level == Level.PRO:
        # From here on its series are billed.
        _cut(plan, at=item.starts_at)
        return
    for span in spans if plan.held_at is None else ():
        _cut(plan, at=span.starts_at)
        own.get_or_create(
            starts_at=span.starts_at,
            defaults={
                "organization_id": plan.organization_id,
                "plan": plan,
                "stripe_subscription_id": plan.stripe_subscription_id,
                "ends_at": span.ends_at,
                "metered_from": min(span.metered_from, span.ends_at),
            },
        )
    if plan.ended_at is None:
        own.filter(starts_at=item.starts_at).exclude(ends_at=item.ends_at).update(
            ends_at=item.ends_at
        )
    else:
        cut_off(plan, at=plan.ended_at)


@transaction_required
def cut_off(plan: Plan, *, at: datetime) -> None:
    """Bill no report that is received from an instant on."""
    own = MetricsPeriod.objects.filter(stripe_subscription_id=plan.stripe_subscription_id)
    own.filter(starts_at__gte=at).delete()
    _cut(plan, at=at)


def _cut(plan: Plan, *, at: datetime) -> None:
    MetricsPeriod.objects.filter(
        organization_id=plan.organization_id, starts_at__lt=at, ends_at__gt=at
    ).update(ends_at=at)
