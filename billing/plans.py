"""Plans: what Stripe says of a subscription, kept as our own rows.

Everything a webhook triggers re-reads the subscription, and happens by timer too, so the order of
webhooks, their repeats and their loss do not matter.
"""

import logging
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q

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
    opens = _opens_period(found, item)
    # Asked before the transaction: nothing remote happens inside it.
    ladder = prices.tiers(item.price_id) if opens else []
    with transaction.atomic(durable=True):
        if opens:
            # The fence comes first: a report under way holds it, and then the organization.
            fence.hold_exclusively(customer.organization_id)
        plan = _upsert(found, item, customer.organization_id, asked_at=asked_at)
        if plan.synced_at > asked_at:
            return plan
        _cut_periods(plan, item)
        if opens and plan.held_at is None:
            _open_period(plan, item, ladder)
        _follow_end(plan, item)
        if settings.ACTIVE_SERIES_PRODUCT:
            _cover(plan, item, asked_at=asked_at)
    return plan


def _opens_period(found: gateway.Subscription, item: gateway.Item) -> bool:
    known = BillingPeriod.objects.filter(
        stripe_subscription_id=found.id, starts_at=item.starts_at
    ).exists()
    return _is_pro(item) and found.status in METERED_STATUSES and not known


def _metered_item(found: gateway.Subscription) -> gateway.Item:
    pro = [item for item in found.items if item.product_id == settings.ACTIVE_SERIES_PRODUCT]
    if len(pro) > 1 or not found.items:
        raise ForeignSubscriptionError(
            f"Subscription {found.id} has {len(pro)} Pro items among {len(found.items)};"
            " exactly one plan is expected."
        )
    return pro[0] if pro else found.items[0]


def _is_pro(item: gateway.Item) -> bool:
    return bool(item.product_id) and item.product_id == settings.ACTIVE_SERIES_PRODUCT


def _upsert(
    found: gateway.Subscription,
    item: gateway.Item,
    organization_id: int,
    *,
    asked_at: datetime,
) -> Plan:
    status = _status(found)
    ended_at = (found.ended_at or asked_at) if status in TERMINAL_STATUSES else None
    # Plans of an organization are made and ended one at a time; reports go on meanwhile.
    Organization.objects.select_for_update(no_key=True).get(pk=organization_id)
    live = Plan.objects.filter(organization_id=organization_id, ended_at=None)
    if ended_at is None and live.exclude(stripe_subscription_id=found.id).exists():
        raise SecondSubscriptionError(
            f"Organization {organization_id} has a live plan beside subscription {found.id}."
        )
    values = {
        "status": status,
        "status_since": asked_at,
        "cancel_at_period_end": found.cancel_at_period_end,
        "trial_ends_at": found.trial_ends_at,
        "ended_at": ended_at,
        "synced_at": asked_at,
    }
    plan, created = Plan.objects.get_or_create(
        stripe_subscription_id=found.id,
        defaults={
            "organization_id": organization_id,
            "started_at": found.started_at,
            "level": Level.PRO if _is_pro(item) else Level.TEAM,
            "stripe_item_id": item.id,
            "stripe_price_id": item.price_id,
            **values,
        },
    )
    if not created and plan.synced_at <= asked_at:
        if plan.status == status:
            values["status_since"] = plan.status_since
        _change(plan, values | _what_is_billed(plan, item, asked_at=asked_at))
    return plan


def _status(found: gateway.Subscription) -> Status:
    if found.status not in Status.values:
        raise ForeignSubscriptionError(
            f"Subscription {found.id} has a status that we do not know: {found.status!r}."
        )
    return Status(found.status)


def _change(plan: Plan, values: dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(plan, name, value)
    plan.save(update_fields=list(values))


def _what_is_billed(plan: Plan, item: gateway.Item, *, asked_at: datetime) -> dict[str, Any]:
    """Return the changes to level, item and price that are ours to follow."""
    same = (plan.stripe_item_id, plan.stripe_price_id) == (item.id, item.price_id)
    if plan.level == Level.PRO and not same:
        logger.error(
            "plan held: its item or price changed at Stripe",
            extra={"plan": plan.pk, "item": item.id, "price": item.price_id},
        )
        why = f"Stripe bills item {item.id} at price {item.price_id}."
        return {"held_at": plan.held_at or asked_at, "held_why": why}
    if not settings.ACTIVE_SERIES_PRODUCT:
        return {}
    return {
        "level": Level.PRO if _is_pro(item) else plan.level,
        "stripe_item_id": item.id,
        "stripe_price_id": item.price_id,
    }


def _cut_periods(plan: Plan, item: gateway.Item) -> None:
    """End open periods where the subscription ended, or where the next period began early."""
    open_ = BillingPeriod.objects.filter(
        organization_id=plan.organization_id, state=BillingPeriod.State.OPEN
    )
    if plan.ended_at is not None:
        open_.filter(plan=plan, starts_at__lt=plan.ended_at, ends_at__gt=plan.ended_at).update(
            ends_at=plan.ended_at
        )
    else:
        open_.filter(starts_at__lt=item.starts_at, ends_at__gt=item.starts_at).update(
            ends_at=item.starts_at
        )


def _open_period(plan: Plan, item: gateway.Item, ladder: list[dict[str, object]]) -> None:
    in_trial = plan.trial_ends_at is not None and item.starts_at < plan.trial_ends_at
    period = BillingPeriod.objects.create(
        organization_id=plan.organization_id,
        plan=plan,
        stripe_subscription_id=plan.stripe_subscription_id,
        stripe_price_id=item.price_id,
        tiers=ladder,
        starts_at=item.starts_at,
        ends_at=item.ends_at,
        kind=BillingPeriod.Kind.TRIAL if in_trial else BillingPeriod.Kind.PAID,
        basis=settings.ACTIVE_SERIES_VISIBILITY,
    )
    _fence_in(plan.organization_id)
    logger.info("period opened", extra={"plan": plan.pk, "period": period.pk})


def _follow_end(plan: Plan, item: gateway.Item) -> None:
    """Follow Stripe where the end of the open period moved, as an extended trial's does."""
    if plan.ended_at is None:
        BillingPeriod.objects.filter(
            stripe_subscription_id=plan.stripe_subscription_id,
            starts_at=item.starts_at,
            state=BillingPeriod.State.OPEN,
        ).exclude(ends_at=item.ends_at).update(ends_at=item.ends_at)


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


def _cover(plan: Plan, item: gateway.Item, *, asked_at: datetime) -> None:
    organizations = Organization.objects.filter(pk=plan.organization_id)
    if plan.status in COVERED_STATUSES:
        until = item.ends_at + COVER_MARGIN
        organizations.filter(Q(private_until=None) | Q(private_until__lt=until)).update(
            private_until=until
        )
    elif plan.status == Status.UNPAID:
        grace = timedelta(days=settings.PLAN_GRACE_DAYS)
        organizations.update(private_until=plan.status_since + grace)
    elif plan.ended_at is not None:
        until = plan.ended_at + COVER_MARGIN
        if not Plan.objects.filter(organization_id=plan.organization_id, ended_at=None).exists():
            organizations.filter(Q(private_until=None) | Q(private_until__gt=until)).update(
                private_until=until
            )
    else:
        # Incomplete: nothing was paid yet, so nothing is covered that was not before.
        organizations.filter(private_until=None).update(private_until=asked_at)


def end_cover_without_plan(*, now: datetime) -> int:
    """Set `private_until` for organizations that never had a plan; returns for how many.

    Without it a new organization would have unlimited private use.
    """
    live = Plan.objects.filter(organization=OuterRef("pk"), ended_at=None)
    return Organization.objects.filter(~Exists(live), private_until=None).update(private_until=now)


def due_for_sync(*, now: datetime) -> list[str]:
    """Return the subscriptions to ask Stripe about, the longest unasked first.

    Those whose stored period has ended, once a minute: Stripe has moved on. Those that have no
    period, because they are older plans or not paid yet, once an hour.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT plan.stripe_subscription_id
            FROM billing_plan plan
            LEFT JOIN LATERAL (
                SELECT max(period.ends_at) AS ends_at
                FROM billing_billingperiod period
                WHERE period.plan_id = plan.id
            ) latest ON true
            WHERE plan.ended_at IS NULL
              AND CASE WHEN latest.ends_at IS NULL THEN plan.synced_at <= %(hour_ago)s
                       ELSE latest.ends_at <= %(now)s AND plan.synced_at < latest.ends_at
                            OR latest.ends_at <= %(now)s AND plan.synced_at <= %(minute_ago)s
                  END
            ORDER BY plan.synced_at
            """,
            {
                "now": now,
                "minute_ago": now - timedelta(minutes=1),
                "hour_ago": now - timedelta(hours=1),
            },
        )
        return [row[0] for row in cursor.fetchall()]


def sync_due(*, now: datetime) -> int:
    """Sync every plan that is due; returns how many. One that fails does not stop the others.

    Where Stripe does not answer, the rest waits for the next minute instead of waiting in line.
    """
    synced = 0
    for subscription_id in due_for_sync(now=now):
        try:
            sync(subscription_id)
            synced += 1
        except gateway.TemporaryError:
            logger.warning("Stripe does not answer", extra={"subscription": subscription_id})
            break
        except Exception:
            logger.exception("plan not synced", extra={"subscription": subscription_id})
    return synced
