"""Webhooks in any order, doubled, late or lost: the same plan, periods and checkout in the end."""

import random
from copy import deepcopy
from dataclasses import dataclass
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from bencher import clock
from bencher.tenancy.models import Organization, User
from billing import checkouts, gateway, receivers, subscribing, tasks, waking
from billing.models import BillingPeriod, Checkout, Plan, SecondSubscription
from tests.billing.life.conftest import DAY, Travel, give_card, open_checkout, pay, set_clock
from tests.permissions.conftest import undone
from tests.stripe_sandbox import Sandbox
from tests.stripe_sandbox.state import State

SEEDS = range(12)
# A life's kinds, and those that only other lives have: nobody pauses, lets a checkout expire or
# has an invoice voided in it.
ELSEWHERE = {
    "checkout.session.expired",
    "customer.subscription.paused",
    "customer.subscription.resumed",
    "invoice.voided",
}


@dataclass(frozen=True)
class Stage:
    """Stripe at one instant, and the webhooks that it has sent so far."""

    stripe: State
    at: int
    events: list[dict[str, Any]]


@pytest.fixture
def life(
    shop: Sandbox,
    acme: Organization,
    alice: User,
    travel: Travel,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> list[Stage]:
    """Live through a trial, months paid and unpaid, and a cancellation; return its stages.

    Nothing of it is told to us.
    """
    settings.PRO_TRIAL_DAYS = 10
    shop.switches.after_retries = "unpaid"
    monkeypatch.setattr(waking, "wake", lambda: False)
    for task in (tasks.handle_webhooks, tasks.close_periods, tasks.send_meter_events):
        monkeypatch.setattr(task, "delay", lambda **_: None)
    checkouts.start(acme, user=alice, now=clock.now())
    stages: list[Stage] = []

    def stage(ahead: timedelta) -> None:
        travel(clock.now() + ahead)
        events = [event for event in shop.objects("event") if event["type"] in receivers.WOKEN_BY]
        stages.append(Stage(deepcopy(shop.state), shop.clock.now(), deepcopy(events)))

    pay(shop, open_checkout().stripe_session_id)
    subscription = shop.objects("subscription")[0]["id"]
    for ahead in (timedelta(hours=1), 12 * DAY, 30 * DAY):
        stage(ahead)
    # The card is declined from now on, and the next invoice is given up.
    shop.state.tables["subscription"][subscription]["default_payment_method"] = None
    stage(31 * DAY)
    stage(20 * DAY)
    give_card(acme, alice)
    stage(DAY)
    gateway.connect().set_cancel_at_period_end(subscription, cancel=True)
    stage(DAY)
    stage(40 * DAY)
    return stages


def tell(events: list[dict[str, Any]]) -> None:
    for event in events:
        receivers.on_webhook(
            SimpleNamespace(id=event["id"], type=event["type"], data=event["data"])
        )


def state() -> dict[str, Any]:
    """Return everything of a plan's life but when we learned of it."""
    return {
        "plans": list(
            Plan.objects.order_by("started_at").values_list(
                "level",
                "status",
                "stripe_subscription_id",
                "stripe_price_id",
                "cancel_at_period_end",
                "trial_ends_at",
                "started_at",
                "ended_at",
                "held_at",
            )
        ),
        "periods": list(
            BillingPeriod.objects.order_by("starts_at").values_list(
                "starts_at", "ends_at", "kind", "stripe_price_id"
            )
        ),
        "checkouts": list(Checkout.objects.values_list("stripe_session_id", "state")),
        "covered": list(Organization.objects.values_list("private_until", flat=True)),
        "second": SecondSubscription.objects.count(),
    }


def live(shop: Sandbox, stages: list[Stage], dice: random.Random, *, timer: float) -> None:
    """Live through it once more: webhooks shuffled, late, doubled and lost, the timer now and then.

    Reports, closes and invoices are left out, as what is compared is what a plan and its periods
    are. In the end the timer runs.
    """
    told: list[dict[str, Any]] = []
    late: list[dict[str, Any]] = []
    for stage in stages:
        shop.state = deepcopy(stage.stripe)
        shop.set_clock(stage.at)
        set_clock(stage.at)
        new = late + [event for event in stage.events if event not in told]
        told = stage.events
        late = [event for event in new if dice.random() < 0.3]
        heard = [event for event in new if event not in late and dice.random() > 0.3]
        heard += [event for event in told if dice.random() < 0.1]
        dice.shuffle(heard)
        tell(heard)
        tasks.handle_webhooks()
        if dice.random() < timer or stage is stages[-1]:
            tasks.sync_plans()


def test_every_order_leads_to_the_same(shop: Sandbox, life: list[Stage]) -> None:
    with undone():
        # Everything is heard of at once, and the timer never fails.
        live(shop, life, random.Random(0), timer=1.0)
        expected = state()
    outcomes = {}
    for seed in SEEDS:
        with undone():
            live(shop, life, random.Random(seed), timer=(0.0, 0.3, 0.7)[seed % 3])
            outcomes[seed] = state()

    assert {event["type"] for event in life[-1].events} == set(receivers.WOKEN_BY) - ELSEWHERE
    statuses = [stage.stripe.tables["subscription"].popitem()[1]["status"] for stage in life]
    assert statuses[0] == "trialing"
    assert {"active", "past_due", "unpaid"} & set(statuses) >= {"active", "unpaid"}
    assert [plan[1] for plan in expected["plans"]] == [statuses[-1]] == ["canceled"]
    assert [period[2] for period in expected["periods"]] == ["trial"] + ["paid"] * 3
    assert [state_ for _, state_ in expected["checkouts"]] == ["completed"]
    for seed, outcome in outcomes.items():
        assert outcome == expected, f"seed {seed}"


def test_what_is_told_late_of_an_ended_plan_leaves_the_next_one_alone(
    shop: Sandbox, life: list[Stage], acme: Organization, alice: User
) -> None:
    tasks.sync_plans()
    subscribing.subscribe(acme, leader=alice, now=clock.now())
    expected = state()
    late = life[-1].events
    new = [event for event in shop.objects("event") if event not in late]
    outcomes = {}
    for seed in SEEDS[:4]:
        with undone():
            events = [*late, *(event for event in new if event["type"] in receivers.WOKEN_BY)]
            random.Random(seed).shuffle(events)
            for event in events:
                tell([event, event])
                tasks.handle_webhooks()
            outcomes[seed] = state()

    assert [plan[1] for plan in expected["plans"]] == ["canceled", "active"]
    for seed, outcome in outcomes.items():
        assert outcome == expected, f"seed {seed}"
