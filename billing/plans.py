"""Plans: what Stripe says of a subscription, kept as our own rows.

Everything a webhook triggers re-reads the subscription, and happens by timer too, so the order of
webhooks, their repeats and their loss do not matter.
"""

import logging
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from bencher import clock
from bencher.tenancy.models import Organization
from billing import cover, gateway, metrics_periods, periods, products
from billing.models import (
    TERMINAL_STATUSES,
    BillingCustomer,
    Cancellation,
    Level,
    Plan,
    Status,
)
from series import fence

logger = logging.getLogger(__name__)


class ForeignSubscriptionError(Exception):
    """The subscription belongs to another organization, or to none of ours."""


class SecondSubscriptionError(Exception):
    """The organization has another live plan, or is deleted: this subscription bills for nothing.

    `live` is the plan that stays; None where the organization is deleted.
    """

    def __init__(
        self, found: gateway.Subscription, organization: Organization, live: Plan | None
    ) -> None:
        beside = live.stripe_subscription_id if live else "none, for it is deleted"
        super().__init__(
            f"Subscription {found.id} is not used: organization {organization.pk} has {beside}."
        )
        self.found = found
        self.organization = organization
        self.live = live


def sync(subscription_id: str) -> Plan:
    """Read a subscription from Stripe and store what it says; returns the plan.

    Raises TemporaryError, RefusedError, ForeignSubscriptionError and SecondSubscriptionError.
    """
    asked_at = clock.now()
    return store(gateway.connect().subscription(subscription_id), asked_at=asked_at)


def store(found: gateway.Subscription, *, asked_at: datetime) -> Plan:
    """Store a subscription as it was when Stripe was asked; an older answer changes nothing.

    Raises as `sync` does, and LadderError for a price that can't be billed by.
    """
    organization = _organization(found)
    item = plan_item(found)
    # Asked before the transaction: nothing remote happens inside it.
    openings = periods.to_open(found, item) if _is_counted(found, item) else []
    spans = [] if _is_pro(item) else metrics_periods.to_open(found, item, asked_at=asked_at)
    with transaction.atomic(durable=True):
        if openings:
            # The fence comes first: a report under way holds it, and then the organization.
            fence.hold_exclusively(organization.pk)
        plan = _upsert(found, item, organization, asked_at=asked_at)
        if plan.synced_at > asked_at:
            return plan
        # A plan that is being canceled has its last period already, cut at a minute of ours.
        if plan.ended_at is not None or not _is_being_canceled(plan):
            periods.follow(plan, found, item)
            periods.store(plan, openings)
            metrics_periods.follow(plan, item, spans)
        cover.follow(plan, ends_at=item.ends_at, asked_at=asked_at)
    return plan


def _is_being_canceled(plan: Plan) -> bool:
    return Cancellation.objects.filter(plan=plan, finished_at=None).exists()


def _organization(found: gateway.Subscription) -> Organization:
    customer = (
        BillingCustomer.objects.select_related("organization")
        .filter(stripe_customer_id=found.customer_id)
        .first()
    )
    if customer is None:
        raise ForeignSubscriptionError(
            f"Subscription {found.id} is of customer {found.customer_id}, who is none of ours."
        )
    # Staff may subscribe a customer by hand, without the mark that our checkouts leave.
    if found.organization_uuid not in ("", str(customer.organization.uuid)):
        raise ForeignSubscriptionError(
            f"Subscription {found.id} is marked for organization {found.organization_uuid}, and"
            f" its customer is that of {customer.organization.uuid}."
        )
    return customer.organization


def plan_item(found: gateway.Subscription) -> gateway.Item:
    """Return the item that is the plan: Pro if one has a Pro price, else an older plan's."""
    pro = [item for item in found.items if _is_pro(item)]
    others = [item for item in found.items if not products.is_bare_metal(item.product_id)]
    if len(pro) > 1 or not others:
        raise ForeignSubscriptionError(
            f"Subscription {found.id} has {len(pro)} Pro items among {len(found.items)};"
            " exactly one plan is expected."
        )
    return pro[0] if pro else others[0]


def _is_counted(found: gateway.Subscription, item: gateway.Item) -> bool:
    canceling = Cancellation.objects.filter(plan__stripe_subscription_id=found.id, finished_at=None)
    return _is_pro(item) and not canceling.exists()


def _is_pro(item: gateway.Item) -> bool:
    return products.level(item.product_id) == Level.PRO


def _upsert(
    found: gateway.Subscription,
    item: gateway.Item,
    organization: Organization,
    *,
    asked_at: datetime,
) -> Plan:
    status = _status(found)
    ended_at = (found.ended_at or asked_at) if status in TERMINAL_STATUSES else None
    # Plans of an organization are made and ended one at a time; reports go on meanwhile.
    Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
    live = (
        Plan.objects.filter(organization=organization, ended_at=None)
        .exclude(stripe_subscription_id=found.id)
        .first()
    )
    known = Plan.objects.filter(stripe_subscription_id=found.id).exists()
    if ended_at is None and (live is not None or (organization.deleted_at and not known)):
        raise SecondSubscriptionError(found, organization, live)
    values = {
        "status": status,
        "status_since": asked_at,
        "cancel_at_period_end": found.cancel_at_period_end,
        "trial_ends_at": found.trial_ends_at,
        "ended_at": ended_at,
        "synced_at": asked_at,
        "sync_after": None,
    }
    plan, created = Plan.objects.get_or_create(
        stripe_subscription_id=found.id,
        defaults={
            "organization": organization,
            "started_at": found.started_at,
            "level": products.level(item.product_id) or Level.TEAM,
            "stripe_item_id": item.id,
            "stripe_price_id": item.price_id,
            **values,
        },
    )
    if not created and plan.synced_at <= asked_at:
        if plan.status == status:
            values["status_since"] = plan.status_since
        values["pro_from"] = _pro_from(plan, found, item)
        _change(plan, values | _what_is_billed(plan, item, asked_at=asked_at))
    return plan


def _pro_from(plan: Plan, found: gateway.Subscription, item: gateway.Item) -> datetime | None:
    # A schedule that was taken away, as where somebody cancels, makes nothing Pro any more.
    is_to_become = bool(found.schedule_id) or _is_pro(item) or plan.level == Level.PRO
    return plan.pro_from if is_to_become else None


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
        if plan.held_at is None:
            logger.error(
                "plan held: its item or price changed at Stripe",
                extra={"plan": plan.pk, "item": item.id, "price": item.price_id},
            )
        why = f"Stripe bills item {item.id} at price {item.price_id}."
        return {"held_at": plan.held_at or asked_at, "held_why": why}
    if not settings.ACTIVE_SERIES_PRODUCT:
        return {}
    return {
        "level": products.level(item.product_id) or plan.level,
        "stripe_item_id": item.id,
        "stripe_price_id": item.price_id,
    }


def end_missing(plan: Plan, *, now: datetime) -> None:
    """End a plan whose subscription Stripe does not have any more, as of now."""
    with transaction.atomic(durable=True):
        Organization.objects.select_for_update(no_key=True).get(pk=plan.organization_id)
        if Plan.objects.filter(pk=plan.pk, ended_at=None).exists():
            _change(
                plan,
                {
                    "status": Status.CANCELED,
                    "status_since": now,
                    "ended_at": now,
                    "synced_at": now,
                },
            )
            periods.end(plan)
            metrics_periods.cut_off(plan, at=now)
            cover.follow(plan, ends_at=now, asked_at=now)
