"""Subscribing again: what the plan is at Stripe decides, and unknown is never gone."""

from typing import Any

import pytest

from bencher import clock
from bencher.tenancy.models import Organization, User
from billing import checkouts, resubscribing
from billing.models import BillingCustomer, BillingPeriod, Checkout, Plan, Status
from tests.billing.life.conftest import at_stripe, open_checkout, pay
from tests.stripe_sandbox import Fault, Sandbox

LIVE = ("active", "past_due", "unpaid", "paused", "incomplete")
TERMINAL = ("canceled", "incomplete_expired")
CALL = "GET /v1/subscriptions/*"


def set_status(sandbox: Sandbox, plan: Plan, status: str) -> None:
    found = at_stripe(sandbox, plan.stripe_subscription_id)
    found["status"] = status
    if status in TERMINAL:
        found["ended_at"] = found["canceled_at"] = sandbox.clock.now()


def test_without_a_plan_it_goes_on(shop: Sandbox, acme: Organization) -> None:
    resubscribing.make_way(acme, now=clock.now())

    assert [call.path for call in shop.requests if call.path.startswith("/v1/subsc")] == []


@pytest.mark.parametrize("status", [*LIVE, "of_next_year"])
def test_a_live_plan_is_a_conflict(
    shop: Sandbox, plan: Plan, acme: Organization, status: str
) -> None:
    set_status(shop, plan, status)

    with pytest.raises(resubscribing.AlreadySubscribedError):
        resubscribing.make_way(acme, now=clock.now())
    assert Plan.objects.get().ended_at is None


def test_so_is_a_trial(shop: Sandbox, trial: Plan, acme: Organization) -> None:
    with pytest.raises(resubscribing.AlreadySubscribedError):
        resubscribing.make_way(acme, now=clock.now())
    assert Plan.objects.get().status == Status.TRIALING


@pytest.mark.parametrize("status", TERMINAL)
def test_what_has_ended_at_stripe_is_ended_here_and_sold_again(
    shop: Sandbox, plan: Plan, acme: Organization, alice: User, status: str
) -> None:
    set_status(shop, plan, status)

    checkouts.start(acme, user=alice, now=clock.now())

    ended = Plan.objects.get()
    assert ended.status == status
    assert ended.ended_at is not None
    assert BillingPeriod.objects.get().ends_at == ended.ended_at
    assert not open_checkout().with_trial, "nobody who ever subscribed gets a trial"

    pay(shop, open_checkout().stripe_session_id)
    again = checkouts.complete(open_checkout().stripe_session_id, now=clock.now())

    assert again is not None
    assert (again.status, again.pk) == (Status.ACTIVE, Plan.objects.get(ended_at=None).pk)
    first, second = BillingPeriod.objects.order_by("starts_at")
    assert first.ends_at <= second.starts_at


def test_what_is_gone_is_ended_here(shop: Sandbox, plan: Plan, acme: Organization) -> None:
    del shop.state.tables["subscription"][plan.stripe_subscription_id]
    now = clock.now()

    resubscribing.make_way(acme, now=now)

    ended = Plan.objects.get()
    assert (ended.status, ended.ended_at) == (Status.CANCELED, now)
    assert BillingPeriod.objects.get().ends_at == now


def test_with_the_key_of_another_account_nothing_is_gone(
    shop: Sandbox, plan: Plan, acme: Organization
) -> None:
    customer = BillingCustomer.objects.get()
    del shop.state.tables["subscription"][plan.stripe_subscription_id]
    del shop.state.tables["customer"][customer.stripe_customer_id]

    with pytest.raises(resubscribing.UnknownError):
        resubscribing.make_way(acme, now=clock.now())
    assert Plan.objects.get().ended_at is None


@pytest.mark.parametrize(
    "fault",
    [
        Fault.RATE_LIMITED,
        Fault.RATE_LIMITED_RETRY,
        Fault.SERVER_ERROR,
        Fault.SERVER_ERROR_AFTER,
        Fault.BAD_GATEWAY,
        Fault.UNAVAILABLE,
        Fault.TIMEOUT_BEFORE,
        Fault.TIMEOUT_AFTER,
        Fault.RESET_BEFORE,
        Fault.RESET_AFTER,
    ],
)
def test_where_stripe_fails_nothing_is_known(
    shop: Sandbox, plan: Plan, acme: Organization, alice: User, fault: Fault
) -> None:
    # Even of one that has ended there.
    set_status(shop, plan, "canceled")
    shop.switches.timeout_seconds = 0
    shop.faults.next(CALL, fault, count=None)

    with pytest.raises(resubscribing.UnknownError):
        checkouts.start(acme, user=alice, now=clock.now())
    assert Plan.objects.get().ended_at is None
    assert not Checkout.objects.exists()

    shop.faults.clear()
    resubscribing.make_way(acme, now=clock.now())
    assert Plan.objects.get().ended_at is not None


def test_with_a_key_that_stripe_refuses_nothing_is_known(
    shop: Sandbox, plan: Plan, acme: Organization, settings: Any
) -> None:
    settings.STRIPE_SECRET_KEY = "sk_nonsense"

    with pytest.raises(resubscribing.UnknownError):
        resubscribing.make_way(acme, now=clock.now())
    assert Plan.objects.get().ended_at is None
