"""Billing periods, as Stripe gives them: the item's own, and missed ones from the invoices' lines.

No month is ever reckoned here. A period that began and ended while nobody listened is found on the
invoices that Stripe made meanwhile, and is closed like any other, oldest first.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.db.models.functions import Coalesce

from bencher.db import transaction_required
from billing import gateway, prices
from billing.models import METERED_STATUSES, TERMINAL_STATUSES, BillingPeriod, Level, Plan
from series import fence

logger = logging.getLogger(__name__)

# Whose lines bill a period that has ended; the first invoice shows the trial.
_CYCLE, _FIRST = "subscription_cycle", "subscription_create"


@dataclass(frozen=True, slots=True)
class Opening:
    """A period that Stripe has and we have not; `is_current` is the subscription item's own."""

    starts_at: datetime
    ends_at: datetime
    price_id: str
    tiers: list[dict[str, Any]]
    in_trial: bool
    is_current: bool


def to_open(found: gateway.Subscription, item: gateway.Item) -> list[Opening]:
    """Return the periods of a Pro subscription that are still to be opened, oldest first.

    Asks Stripe for the invoices only where the item's period does not follow the last known one.
    Raises TemporaryError, RefusedError and LadderError.
    """
    spans = _missed(found, item)
    known = BillingPeriod.objects.filter(
        stripe_subscription_id=found.id, starts_at=item.starts_at
    ).exists()
    openings = [_opening(found, *span, is_current=False) for span in spans]
    if found.status in METERED_STATUSES and not known:
        openings.append(
            _opening(found, item.starts_at, item.ends_at, item.price_id, is_current=True)
        )
    return openings


def _opening(
    found: gateway.Subscription,
    starts_at: datetime,
    ends_at: datetime,
    price_id: str,
    *,
    is_current: bool,
) -> Opening:
    return Opening(
        starts_at=starts_at,
        ends_at=ends_at,
        price_id=price_id,
        tiers=prices.tiers(price_id),
        in_trial=found.trial_ends_at is not None and starts_at < found.trial_ends_at,
        is_current=is_current,
    )


def _missed(
    found: gateway.Subscription, item: gateway.Item
) -> list[tuple[datetime, datetime, str]]:
    last = (
        BillingPeriod.objects.filter(stripe_subscription_id=found.id).order_by("-starts_at").first()
    )
    is_over = found.status in TERMINAL_STATUSES
    plan = Plan.objects.filter(stripe_subscription_id=found.id).first()
    # What was before a legacy plan became Pro is none of its periods.
    first_at = (plan and plan.pro_from) or found.started_at
    begun = last.ends_at if last else first_at
    until = (found.ended_at or item.ends_at) if is_over else item.starts_at
    if begun == until or (last is not None and last.starts_at >= item.starts_at):
        return []
    is_known = plan is not None and plan.level == Level.PRO
    price_id = plan.stripe_price_id if plan and is_known else item.price_id
    billed = billed_spans(found.id, price_id)
    after = last.starts_at if last else None
    spans = [
        (starts_at, ends_at, price_id)
        for starts_at, ends_at in sorted(billed.items())
        if ends_at <= until and (after is None or starts_at > after)
    ]
    _report_gap(found, begun=begun, until=until, spans=spans)
    return spans


def billed_spans(subscription_id: str, price_id: str) -> dict[datetime, datetime]:
    """Return the ends of the periods that invoices bill at a price, by their starts."""
    spans: dict[datetime, datetime] = {}
    invoices = gateway.connect().invoices_of(subscription_id)
    # The lines of a cycle are what was; the first invoice's is what the trial was to be.
    for reason in (_FIRST, _CYCLE):
        for invoice in invoices:
            if invoice.reason == reason:
                spans |= {
                    line.starts_at: line.ends_at
                    for line in invoice.lines
                    if line.price_id == price_id and line.ends_at > line.starts_at
                }
    return spans


def _report_gap(
    found: gateway.Subscription,
    *,
    begun: datetime,
    until: datetime,
    spans: Iterable[tuple[datetime, datetime, str]],
) -> None:
    # A paused subscription has gaps by right; any other one must be looked at.
    for starts_at, ends_at, _ in spans:
        if starts_at > begun:
            break
        begun = ends_at
    if begun < until:
        logger.error(
            "no invoice shows what was billed in between",
            extra={"subscription": found.id, "from": begun, "until": until},
        )


@transaction_required
def store(plan: Plan, openings: Iterable[Opening]) -> None:
    """Open these periods of a plan, oldest first. The caller holds the fence exclusively."""
    opened = False
    for opening in openings:
        if opening.is_current and plan.held_at is not None:
            # At a price that nobody has looked at nothing is billed.
            continue
        before = _open_periods_of_organization if opening.is_current else _open_periods
        _cut(before(plan), at=opening.starts_at)
        if _is_another_plans(plan, opening):
            logger.error(
                "a period lies in another plan's, and is not opened",
                extra={"plan": plan.pk, "starts_at": opening.starts_at},
            )
            continue
        period, created = BillingPeriod.objects.get_or_create(
            stripe_subscription_id=plan.stripe_subscription_id,
            starts_at=opening.starts_at,
            defaults={
                "organization_id": plan.organization_id,
                "plan": plan,
                "stripe_price_id": opening.price_id,
                "tiers": opening.tiers,
                "ends_at": opening.ends_at,
                "kind": BillingPeriod.Kind.TRIAL if opening.in_trial else BillingPeriod.Kind.PAID,
                "basis": settings.ACTIVE_SERIES_VISIBILITY,
            },
        )
        if created:
            opened = True
            logger.info("period opened", extra={"plan": plan.pk, "period": period.pk})
    if opened:
        _fence_in(plan.organization_id)


def _is_another_plans(plan: Plan, opening: Opening) -> bool:
    """Tell whether another plan's period has the time: it is billed once."""
    there = BillingPeriod.objects.filter(
        organization_id=plan.organization_id,
        starts_at__lt=opening.ends_at,
        ends_at__gt=opening.starts_at,
    )
    return there.exclude(plan=plan).exists()


@transaction_required
def follow(plan: Plan, found: gateway.Subscription, item: gateway.Item) -> None:
    """Move the bounds of open periods where Stripe moved them: ended, cut short, or extended."""
    if plan.ended_at is not None:
        # Only its own: another plan may have begun meanwhile.
        end(plan)
        return
    _open_periods(plan).filter(starts_at=item.starts_at).exclude(ends_at=item.ends_at).update(
        ends_at=item.ends_at
    )
    if found.trial_ends_at is not None and found.trial_ends_at <= item.starts_at:
        # A trial that was extended, and has ended since.
        _open_periods(plan).filter(
            kind=BillingPeriod.Kind.TRIAL,
            starts_at__lt=found.trial_ends_at,
            ends_at__lt=found.trial_ends_at,
        ).update(ends_at=found.trial_ends_at)
    _cut(_open_periods_of_organization(plan), at=item.starts_at)


@transaction_required
def end(plan: Plan) -> None:
    """End the open periods of a plan that has ended."""
    assert plan.ended_at is not None
    # Ended in the very second in which it began: there was no period.
    _open_periods(plan).filter(starts_at__gte=plan.ended_at, meter_events=None).delete()
    _cut(_open_periods(plan), at=plan.ended_at)


@transaction_required
def cut_off(plan: Plan, *, at: datetime) -> None:
    """End the open period of a plan at an instant within it, and remember Stripe's own end."""
    _cut(_open_periods(plan), at=at)


def _cut(open_: QuerySet[BillingPeriod], *, at: datetime) -> None:
    open_.filter(starts_at__lt=at, ends_at__gt=at).update(
        ends_at=at, invoiced_until=Coalesce("invoiced_until", "ends_at")
    )


def _open_periods(plan: Plan) -> QuerySet[BillingPeriod]:
    return _open_periods_of_organization(plan).filter(
        stripe_subscription_id=plan.stripe_subscription_id
    )


def _open_periods_of_organization(plan: Plan) -> QuerySet[BillingPeriod]:
    return BillingPeriod.objects.filter(
        organization_id=plan.organization_id, state=BillingPeriod.State.OPEN
    )


def _fence_in(organization_id: int) -> None:
    # Nothing may be dated to before the oldest period that is still to be billed.
    oldest = (
        BillingPeriod.objects.filter(
            organization_id=organization_id, state=BillingPeriod.State.OPEN
        )
        .order_by("starts_at")
        .first()
    )
    assert oldest is not None
    fence.raise_to(organization_id, oldest.starts_at)
