"""Plans: what Stripe says of a subscription, kept as our own rows.

Everything a webhook triggers re-reads the subscription, and happens by timer too, so the order of
webhooks, their repeats and their loss do not matter.
"""

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Greatest

from bencher import clock
from bencher.tenancy.models import Organization
from billing import gateway, prices
from billing.models import (
    COVERED_STATUSES,
    METERED_STATUSES,
    TERMINAL_STATUSES,
    BillingCustomer,
    BillingPeriod,
    Level,
    Plan,
    Status,
)
from series import fence

logger = logging.getLogger(__name__)

# Private reports stay accepted for a day past the period, in case Stripe can't be asked.
COVER_MARGIN = timedelta(days=1)


class ForeignSubscriptionError(Exception):
    """The subscription belongs to another organization, or to none of ours."""


class SecondSubscriptionError(Exception):
    """The organization has another live plan already."""


def sync(subscription_id: str) -> Plan:
    """Read a subscription from Stripe and store what it says; returns the plan.

    Raises TemporaryError, RefusedError, ForeignSubscriptionError and SecondSubscriptionError.
    """
    asked_at = clock.now()
    return store(gateway.connect().subscription(subscription_id), asked_at=asked_at)


def store(found: gateway.Subscription, *, asked_at: datetime) -> Plan:
    """Store a subscription as it was when Stripe was asked; an older answer changes nothing."""
    customer = BillingCustomer.objects.filter(stripe_customer_id=found.customer_id).first()
    if customer is None:
        raise ForeignSubscriptionError(
            f"Subscription {found.id} is of customer {found.customer_id}, who is none of ours."
        )
    item = _metered_item(found)
    level = _level(item)
    # Asked before the transaction: nothing remote happens inside it.
    ladder = prices.tiers(item.price_id) if level == Level.PRO else []
    with transaction.atomic(durable=True):
        plan = _upsert(found, item, level, customer.organization_id, asked_at=asked_at)
        if plan.synced_at > asked_at:
            return plan
        if level == Level.PRO and plan.status in METERED_STATUSES:
            _open_period(plan, item, ladder)
        _cover(plan, item)
    return plan


def _metered_item(found: gateway.Subscription) -> gateway.Item:
    pro = [item for item in found.items if item.product_id == settings.ACTIVE_SERIES_PRODUCT]
    if len(pro) > 1 or not found.items:
        raise ForeignSubscriptionError(
            f"Subscription {found.id} has {len(pro)} Pro items among {len(found.items)};"
            " exactly one plan is expected."
        )
    return pro[0] if pro else found.items[0]


def _level(item: gateway.Item) -> Level:
    is_pro = bool(item.product_id) and item.product_id == settings.ACTIVE_SERIES_PRODUCT
    return Level.PRO if is_pro else Level.TEAM


def _upsert(
    found: gateway.Subscription,
    item: gateway.Item,
    level: Level,
    organization_id: int,
    *,
    asked_at: datetime,
) -> Plan:
    status = Status(found.status)
    ended_at = (found.ended_at or asked_at) if status in TERMINAL_STATUSES else None
    # Plans of an organization are made and ended one at a time.
    Organization.objects.select_for_update().get(pk=organization_id)
    live = Plan.objects.filter(organization_id=organization_id, ended_at=None)
    if ended_at is None and live.exclude(stripe_subscription_id=found.id).exists():
        raise SecondSubscriptionError(
            f"Organization {organization_id} has a live plan beside subscription {found.id}."
        )
    values = {
        "level": level,
        "status": status,
        "stripe_item_id": item.id,
        "stripe_price_id": item.price_id,
        "cancel_at_period_end": found.cancel_at_period_end,
        "trial_ends_at": found.trial_ends_at,
        "ended_at": ended_at,
        "synced_at": asked_at,
    }
    plan, created = Plan.objects.get_or_create(
        stripe_subscription_id=found.id,
        defaults={"organization_id": organization_id, "started_at": found.started_at, **values},
    )
    if not created and plan.synced_at <= asked_at:
        for name, value in values.items():
            setattr(plan, name, value)
        plan.save(update_fields=list(values))
    return plan


def _open_period(plan: Plan, item: gateway.Item, ladder: list[dict[str, object]]) -> None:
    in_trial = plan.trial_ends_at is not None and item.starts_at < plan.trial_ends_at
    period, created = BillingPeriod.objects.get_or_create(
        stripe_subscription_id=plan.stripe_subscription_id,
        starts_at=item.starts_at,
        defaults={
            "organization_id": plan.organization_id,
            "plan": plan,
            "stripe_price_id": item.price_id,
            "tiers": ladder,
            "ends_at": item.ends_at,
            "kind": BillingPeriod.Kind.TRIAL if in_trial else BillingPeriod.Kind.PAID,
            "basis": settings.ACTIVE_SERIES_VISIBILITY,
        },
    )
    if created:
        _fence_in(plan.organization_id)
        logger.info("period opened", extra={"plan": plan.pk, "period": period.pk})
    elif period.state == BillingPeriod.State.OPEN and period.ends_at != item.ends_at:
        BillingPeriod.objects.filter(pk=period.pk).update(ends_at=item.ends_at)


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


def _cover(plan: Plan, item: gateway.Item) -> None:
    organizations = Organization.objects.filter(pk=plan.organization_id)
    if plan.status in COVERED_STATUSES:
        until = item.ends_at + COVER_MARGIN
        organizations.filter(Q(private_until=None) | Q(private_until__lt=until)).update(
            private_until=until
        )
    elif plan.ended_at is not None:
        until = plan.ended_at + COVER_MARGIN
        if not Plan.objects.filter(organization_id=plan.organization_id, ended_at=None).exists():
            organizations.filter(Q(private_until=None) | Q(private_until__gt=until)).update(
                private_until=until
            )
    else:
        # Unpaid and incomplete: what was covered stays covered for the days of grace.
        until = item.starts_at + timedelta(days=settings.PLAN_GRACE_DAYS)
        organizations.filter(private_until=None).update(
            private_until=Greatest(until, F("created_at"))
        )


def end_cover_without_plan(*, now: datetime) -> int:
    """Set `private_until` for organizations that never had a plan; returns for how many.

    Without it a new organization would have unlimited private use.
    """
    live = Plan.objects.filter(organization=OuterRef("pk"), ended_at=None)
    return Organization.objects.filter(~Exists(live), private_until=None).update(private_until=now)


def due_for_sync(*, now: datetime) -> list[str]:
    """Return the subscriptions whose stored period has ended: Stripe has moved on."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT plan.stripe_subscription_id
            FROM billing_plan plan
            WHERE plan.ended_at IS NULL AND NOT EXISTS (
                SELECT FROM billing_billingperiod period
                WHERE period.plan_id = plan.id AND period.ends_at > %s
            )
            ORDER BY plan.synced_at
            """,
            [now],
        )
        return [row[0] for row in cursor.fetchall()]
