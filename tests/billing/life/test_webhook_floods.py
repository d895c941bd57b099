"""Floods of webhooks: looked at by subscription, in short batches, behind nothing that is due."""

from typing import Any

import pytest

from bencher import clock
from bencher.tenancy.models import User
from billing import close, subscribing, tasks, waking, webhooks
from billing.models import Plan, Statement, WebhookReceipt
from tests.billing.life.conftest import MINUTE, Travel
from tests.factories import make_organization, make_user
from tests.stripe_sandbox import Fault, Sandbox

SUBSCRIPTIONS, RECEIPTS = 5, 10_000


@pytest.fixture
def subscribed(shop: Sandbox, travel: Travel) -> list[Plan]:
    """Return the plans of some organizations whose trial has just ended."""
    made = []
    for number in range(SUBSCRIPTIONS):
        leader: User = make_user(f"leader-{number}")
        organization = make_organization(f"Org {number}", leader=leader)
        made.append(subscribing.subscribe(organization, leader=leader, now=clock.now()))
    travel(made[-1].periods.get().ends_at + 11 * MINUTE)
    return made


def flood(subjects: list[str], receipts: int) -> None:
    now = clock.now()
    WebhookReceipt.objects.bulk_create(
        WebhookReceipt(
            event_id=f"evt_{number}",
            type="invoice.created",
            object_id=f"in_{number}",
            subject_id=subjects[number % len(subjects)],
            received_at=now,
        )
        for number in range(receipts)
    )


def test_ten_thousand_are_one_look_at_each_subscription(
    shop: Sandbox, subscribed: list[Plan]
) -> None:
    flood([plan.stripe_subscription_id for plan in subscribed], RECEIPTS)
    before = len(shop.requests)

    handled = webhooks.handle_waiting(now=clock.now())

    assert handled == webhooks.Handled(subjects=SUBSCRIPTIONS, invoices=True, more=False)
    assert not WebhookReceipt.objects.filter(handled_at=None).exists()
    # The subscription, and its price, which no webhook has mirrored here.
    assert len(shop.requests) - before == 2 * SUBSCRIPTIONS
    assert Plan.objects.filter(status="active").count() == SUBSCRIPTIONS


def test_what_was_read_since_is_not_read_again(shop: Sandbox, subscribed: list[Plan]) -> None:
    flood([plan.stripe_subscription_id for plan in subscribed], 10)
    Plan.objects.update(synced_at=clock.now() + MINUTE)
    before = len(shop.requests)

    webhooks.handle_waiting(now=clock.now())

    assert len(shop.requests) == before
    assert not WebhookReceipt.objects.filter(handled_at=None).exists()


def test_a_close_waits_for_one_batch_at_most(
    shop: Sandbox, subscribed: list[Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Ten thousand subscriptions that are none of ours, as with a second product on the account.
    flood([f"sub_{number}" for number in range(RECEIPTS)], RECEIPTS)
    WebhookReceipt.objects.update(type="customer.subscription.updated")
    queue: list[str] = []
    monkeypatch.setattr(tasks.handle_webhooks, "delay", lambda: queue.append("webhooks"))
    monkeypatch.setattr(tasks.close_periods, "delay", lambda: queue.append("close"))
    monkeypatch.setattr(tasks.send_meter_events, "delay", lambda: queue.append("send"))
    queue += ["webhooks", "close"]
    steps = 0
    before = len(shop.requests)

    while not Statement.objects.exists():
        steps += 1
        {"webhooks": tasks.handle_webhooks, "close": tasks.close_periods}[queue.pop(0)]()

    assert steps == 2, "one batch, then the close"
    assert len(shop.requests) - before == webhooks.BATCH
    assert Statement.objects.count() == SUBSCRIPTIONS
    assert queue[0] == "webhooks", "the rest goes on behind it"
    assert WebhookReceipt.objects.filter(handled_at=None).count() == RECEIPTS - webhooks.BATCH


def test_wakes_one_task_at_a_time(shop: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    woken: list[str] = []
    monkeypatch.setattr(tasks.handle_webhooks, "delay", lambda: woken.append("webhooks"))
    waking.began()

    assert [waking.wake() for _ in range(3)] == [True, False, False]
    waking.began()
    assert waking.wake()
    assert len(woken) == 2
    waking.began()


def test_one_that_fails_here_is_tried_again_behind_the_others(
    shop: Sandbox, subscribed: list[Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *others = [plan.stripe_subscription_id for plan in subscribed]
    flood([first, *others], SUBSCRIPTIONS)
    real = webhooks._follow

    def failing(subject: Any, *args: Any, **more: Any) -> None:
        if subject.id == first:
            raise RuntimeError("a fault of ours")
        real(subject, *args, **more)

    monkeypatch.setattr(webhooks, "_follow", failing)
    webhooks.handle_waiting(now=clock.now())

    waiting = WebhookReceipt.objects.get(handled_at=None)
    assert (waiting.subject_id, bool(waiting.failure)) == (first, True)
    monkeypatch.setattr(webhooks, "_follow", real)
    webhooks.handle_waiting(now=clock.now())
    waiting.refresh_from_db()
    assert (waiting.handled_at is not None, waiting.failure) == (True, "")


def test_an_outage_leaves_them_waiting_after_a_few_tries(
    shop: Sandbox, subscribed: list[Plan]
) -> None:
    flood([plan.stripe_subscription_id for plan in subscribed], SUBSCRIPTIONS)
    shop.faults.next("GET *", Fault.RATE_LIMITED, count=None)
    before = len(shop.requests)

    handled = webhooks.handle_waiting(now=clock.now())

    assert handled == webhooks.Handled(subjects=0, invoices=True, more=False)
    assert len(shop.requests) - before == webhooks._FAILURES_OF_AN_OUTAGE
    assert WebhookReceipt.objects.filter(handled_at=None).count() == SUBSCRIPTIONS
    # And a close needs none of it.
    assert [attempt.failure for attempt in close.close_due(now=clock.now())] == [""] * SUBSCRIPTIONS
