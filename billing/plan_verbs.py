"""What staff may do to a plan. Each verb says what it would do, and does that."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django import forms

from bencher import dates
from bencher.numbers import counted
from bencher.reasoned_action import Asked, Verb, action
from billing import (
    canceling,
    freezing,
    gateway,
    plans,
    posting,
    pricing,
    releasing,
    usage_reconcile,
)
from billing import trials as trialing
from billing.models import Plan

_STRIPE = (gateway.GatewayError, gateway.NotConfiguredError)
_LONGEST_DAYS = 365


def _posted(posted: posting.ByHand) -> str:
    before = "nothing" if posted.before is None else f"{posted.before:,}"
    return f"{posted.value:,} active series are stored to be sent; stored last was {before}."


def _foresee_post(plan: Plan, _at: datetime, _values: Mapping[str, Any]) -> str:
    return _posted(posting.foresee(plan))


def _post(plan: Plan, _asked: Asked) -> str:
    from billing.tasks import send_meter_events

    done = _posted(posting.by_hand(plan))
    send_meter_events.delay()
    return done


def _compared(plan: Plan, *, now: datetime, dry_run: bool) -> str:
    checked = list(
        usage_reconcile.everything(now=now, organization=plan.organization, dry_run=dry_run)
    )
    differing = [
        f"{one.period}: {difference.sentence}" for one in checked for difference in one.differences
    ]
    compared = f"{counted(len(checked), 'period')} compared"
    if unknown := sorted({one.unknown for one in checked if one.unknown}):
        return " ".join([f"{compared}; {unknown[0]} could not be asked.", *differing])
    differing = _differing(plan) + differing
    return " ".join([f"{compared}.", *(differing or ["Every figure agrees."])])


def _differing(plan: Plan) -> list[str]:
    """Say how the plan itself is at Stripe, where that is not what we know."""
    try:
        found = gateway.connect().subscription(plan.stripe_subscription_id)
    except _STRIPE:
        return ["Stripe did not say how the plan is."]
    here = {"status": plan.status, "end of the trial": plan.trial_ends_at}
    here["price"] = plan.stripe_price_id
    there = {"status": found.status, "end of the trial": found.trial_ends_at}
    prices = [item.price_id for item in found.items if item.id == plan.stripe_item_id]
    there["price"] = prices[0] if prices else "none"
    return [
        f"The {what} is {here[what] or 'none'} here and {there[what] or 'none'} at Stripe."
        for what in here
        if here[what] != there[what]
    ]


def _foresee_comparison(plan: Plan, at: datetime, _values: Mapping[str, Any]) -> str:
    return _compared(plan, now=at, dry_run=True)


def _compare(plan: Plan, asked: Asked) -> str:
    return _compared(plan, now=asked.at, dry_run=False)


def _longer(before: datetime | None, until: datetime) -> str:
    begun = dates.moment(before).text if before else "never"
    return f"the trial ends at {dates.moment(until).text}, instead of {begun}."


def _foresee_extension(plan: Plan, at: datetime, values: Mapping[str, Any]) -> str:
    return _longer(plan.trial_ends_at, trialing.extended(plan, days=values["days"], now=at))


def _extend(plan: Plan, asked: Asked) -> str:
    until = trialing.extend(plan, days=asked.values["days"], now=asked.at)
    return _longer(plan.trial_ends_at, until)


def _waiting(plan: Plan, what: str) -> str:
    waiting = counted(freezing.waiting(plan.organization), "event")
    return f"{what} to be sent: {waiting}."


def _foresee_freeze(plan: Plan, _at: datetime, _values: Mapping[str, Any]) -> str:
    freezing.check(plan.organization, lasts=False)
    return _waiting(plan, "nothing more is sent to Stripe;")


def _freeze(plan: Plan, asked: Asked) -> str:
    freezing.freeze(plan.organization, by=asked.by, reason=asked.reason, now=asked.at)
    return _waiting(plan, "nothing more is sent to Stripe;")


def _foresee_going_on(plan: Plan, _at: datetime, _values: Mapping[str, Any]) -> str:
    freezing.check(plan.organization, lasts=True)
    return _waiting(plan, "billing goes on;")


def _go_on(plan: Plan, asked: Asked) -> str:
    from billing.tasks import send_meter_events

    said = _waiting(plan, "billing goes on;")
    freezing.go_on(plan.organization, by=asked.by, reason=asked.reason, now=asked.at)
    send_meter_events.delay()
    return said


def _released(price_id: str) -> str:
    return f"released; it follows price {price_id} from its next period on."


def _foresee_release(plan: Plan, _at: datetime, _values: Mapping[str, Any]) -> str:
    return _released(releasing.price_to_follow(plan))


def _release(plan: Plan, asked: Asked) -> str:
    released = releasing.release(plan, by=asked.by, reason=asked.reason, now=asked.at)
    return _released(released.new_price_id)


def _ends(plan: Plan, at: datetime) -> str:
    frozen = freezing.lasting(plan.organization) is not None
    then = "it ends once billing, which is frozen, goes on." if frozen else "it ends minutes later."
    return f"nothing is counted from {dates.moment(at).text} on; {then}"


def _foresee_cancellation(plan: Plan, at: datetime, _values: Mapping[str, Any]) -> str:
    return _ends(plan, canceling.would_end_at(plan, now=at))


def _cancel_now(plan: Plan, asked: Asked) -> str:
    begun = canceling.at_once(plan, by=asked.by, reason=asked.reason, now=asked.at)
    return _ends(plan, begun.ends_at)


post_now = action(
    Verb(
        name="post_now",
        permission="billing.post_plan",
        description="Post usage now",
        consequence="The active series of the current period are counted now and the value is"
        " stored to be sent to Stripe, where the last one of a period is what is billed.",
        foresee=_foresee_post,
        act=_post,
        is_sensitive=False,
        anticipated=(posting.NothingToPostError,),
        moves=True,
    )
)
compare = action(
    Verb(
        name="compare",
        permission="billing.reconcile_plan",
        description="Compare with Stripe",
        consequence="Every figure of every period is asked of whoever holds it: ledger, reports,"
        " outbox, statement, Stripe's meter and invoice. What differs is noted as drift, and drift"
        " that is gone is resolved. No figure is changed.",
        foresee=_foresee_comparison,
        act=_compare,
        is_sensitive=False,
        anticipated=_STRIPE,
    )
)
extend_trial = action(
    Verb(
        name="extend_trial",
        permission="billing.extend_trial_of_plan",
        description="Extend the trial",
        consequence="The trial ends later, at Stripe and here. Its period ends then too; nothing is"
        " charged for it, and the first paid period begins then.",
        foresee=_foresee_extension,
        act=_extend,
        anticipated=(
            *_STRIPE,
            trialing.TrialError,
            plans.ForeignSubscriptionError,
            pricing.LadderError,
        ),
        fields={
            "days": forms.IntegerField(
                label="Days longer", min_value=1, max_value=_LONGEST_DAYS, initial=14
            )
        },
    )
)
freeze = action(
    Verb(
        name="freeze",
        permission="billing.freeze_plan",
        description="Freeze billing of the organization",
        consequence="Nothing more is sent to Stripe until billing goes on. Usage is counted and"
        " periods are closed as ever, and invoices that are not proven yet are put off day by day."
        " Stripe takes nothing older than 35 days: what waits longer is not billed.",
        foresee=_foresee_freeze,
        act=_freeze,
        anticipated=(freezing.FreezeError,),
        moves=True,
    )
)
go_on = action(
    Verb(
        name="go_on",
        permission="billing.freeze_plan",
        description="Let billing go on",
        consequence="What waits is sent to Stripe, proven there and invoiced as always.",
        foresee=_foresee_going_on,
        act=_go_on,
        anticipated=(freezing.FreezeError,),
        moves=True,
    )
)
release = action(
    Verb(
        name="release",
        permission="billing.release_plan",
        description="Release: follow what Stripe bills now",
        consequence="The plan follows the item and price that Stripe bills now, from its next"
        " period on. An open period keeps the price that it began with.",
        foresee=_foresee_release,
        act=_release,
        anticipated=(
            *_STRIPE,
            releasing.NotHeldError,
            pricing.LadderError,
            plans.ForeignSubscriptionError,
        ),
    )
)
cancel_now = action(
    Verb(
        name="cancel_now",
        permission="billing.cancel_plan",
        description="Cancel now",
        consequence="Nothing is counted from the next whole minute on. The last usage is then"
        " billed, proven at Stripe and invoiced, and the subscription canceled. This can't be"
        " undone.",
        foresee=_foresee_cancellation,
        act=_cancel_now,
        anticipated=(canceling.AlreadyEndedError, canceling.PeriodEndsSoonError),
        moves=True,
    )
)

ALL = (post_now, compare, extend_trial, freeze, go_on, release, cancel_now)
