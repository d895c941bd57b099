"""Letting a held plan go on: staff have looked at what changed at Stripe, and say why it is right.

The new item and price are followed from the next period on. A period that is open keeps the price
and the ladder that it began with.
"""

import logging
from datetime import datetime

from django.db import transaction

from bencher.tenancy.models import Organization, User
from billing import gateway, plans, prices
from billing.models import Plan, Release

logger = logging.getLogger(__name__)


class NotHeldError(Exception):
    """The plan is not held, or has ended."""


def price_to_follow(plan: Plan) -> str:
    """Return the price that a held plan would follow from its next period on, changing nothing.

    Raises what `release` does.
    """
    _check_is_held(plan)
    return _item_to_follow(plan)[1].price_id


def release(plan: Plan, *, by: User, reason: str, now: datetime) -> Release:
    """Follow what Stripe bills for a plan now, and open the period that was waited with.

    Raises NotHeldError, LadderError for a price that can't be billed by, ForeignSubscriptionError,
    TemporaryError and RefusedError; the plan stays held then.
    """
    _check_is_held(plan)
    found, item = _item_to_follow(plan)
    with transaction.atomic(durable=True):
        Organization.objects.select_for_update(no_key=True).get(pk=plan.organization_id)
        plan = Plan.objects.get(pk=plan.pk)
        _check_is_held(plan)
        released = Release.objects.create(
            plan=plan,
            released_by=by,
            reason=reason,
            held_why=plan.held_why,
            old_price_id=plan.stripe_price_id,
            new_price_id=item.price_id,
            released_at=now,
        )
        plan.stripe_item_id, plan.stripe_price_id = item.id, item.price_id
        plan.held_at, plan.held_why = None, ""
        plan.save(update_fields=["stripe_item_id", "stripe_price_id", "held_at", "held_why"])
    logger.warning("plan released", extra={"plan": plan.pk, "price": item.price_id, "by": by.pk})
    plans.store(found, asked_at=now)
    return released


def _check_is_held(plan: Plan) -> None:
    if plan.held_at is None or plan.ended_at is not None:
        raise NotHeldError("The plan is not held.")


def _item_to_follow(plan: Plan) -> tuple[gateway.Subscription, gateway.Item]:
    found = gateway.connect().subscription(plan.stripe_subscription_id)
    item = plans.plan_item(found)
    # Refuses a price that can't be billed by.
    prices.tiers(item.price_id)
    return found, item
