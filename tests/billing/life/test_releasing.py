"""What changed at Stripe under us holds the plan, and staff let it go on."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from bencher import clock, dates
from bencher.tenancy.models import User
from billing import canceling, gateway, plans, posting, pricing, releasing
from billing.models import BillingPeriod, Cancellation, MeterEvent, Plan, Release
from tests.admin import acting
from tests.billing.life.conftest import MINUTE, Travel, at_stripe
from tests.stripe_sandbox import Fault, Sandbox

PLANS = "/admin/billing/plan/"


def change_price(sandbox: Sandbox, plan: Plan, **changes: Any) -> None:
    """Put the subscription on another price, as somebody might by hand at Stripe."""
    (item_id,) = at_stripe(sandbox, plan.stripe_subscription_id)["_items"]
    item = sandbox.state.tables["subscription_item"][item_id]
    prices = sandbox.state.tables["price"]
    prices["price_other"] = prices[item["price"]] | {"id": "price_other"} | changes
    item["price"] = "price_other"


@pytest.fixture
def held(shop: Sandbox, plan: Plan, travel: Travel) -> Plan:
    """Return a plan whose price changed, and whose period has ended since."""
    change_price(shop, plan)
    plans.sync(plan.stripe_subscription_id)
    travel(plan.periods.get().ends_at + MINUTE)
    return plans.sync(plan.stripe_subscription_id)


def test_a_held_plan_waits_with_its_next_period(held: Plan) -> None:
    assert held.held_at is not None
    assert "price_other" in held.held_why
    assert BillingPeriod.objects.count() == 1
    assert posting.store([held.pk], reason=MeterEvent.Reason.HINT, even_if_unchanged=True) == []


def test_released_it_follows_the_new_price_from_there(held: Plan, root: User) -> None:
    releasing.release(held, by=root, reason="agreed with them", now=clock.now())

    first, second = BillingPeriod.objects.order_by("starts_at")
    assert (first.stripe_price_id, second.stripe_price_id) == (held.stripe_price_id, "price_other")
    assert second.starts_at == first.ends_at
    plan = Plan.objects.get()
    assert (plan.stripe_price_id, plan.held_at, plan.held_why) == ("price_other", None, "")
    released = Release.objects.get()
    assert (released.released_by, released.reason) == (root, "agreed with them")
    assert "price_other" in released.held_why


def test_released_within_a_period_it_keeps_the_old_price_for_it(
    shop: Sandbox, plan: Plan, root: User
) -> None:
    change_price(shop, plan)
    held = plans.sync(plan.stripe_subscription_id)

    releasing.release(held, by=root, reason="agreed", now=clock.now())

    assert BillingPeriod.objects.get().stripe_price_id == plan.stripe_price_id
    assert plans.sync(plan.stripe_subscription_id).held_at is None


def test_is_not_released_to_a_price_that_cannot_be_billed_by(
    shop: Sandbox, plan: Plan, root: User
) -> None:
    change_price(shop, plan, tiers_mode="graduated")
    held = plans.sync(plan.stripe_subscription_id)

    with pytest.raises(pricing.LadderError):
        releasing.release(held, by=root, reason="agreed", now=clock.now())
    assert Plan.objects.get().held_at is not None
    assert not Release.objects.exists()


def test_stays_held_where_stripe_does_not_answer(shop: Sandbox, held: Plan, root: User) -> None:
    shop.faults.next("GET /v1/subscriptions/*", Fault.UNAVAILABLE, count=None)

    with pytest.raises(gateway.TemporaryError):
        releasing.release(held, by=root, reason="agreed", now=clock.now())
    assert Plan.objects.get().held_at is not None


def test_refuses_what_is_not_held(plan: Plan, root: User) -> None:
    with pytest.raises(releasing.NotHeldError):
        releasing.release(plan, by=root, reason="agreed", now=clock.now())


class TestInAdmin:
    def test_asks_why_and_does_nothing_before(self, desk: Client, held: Plan) -> None:
        page = acting.show(desk, held, "release").page.get_text()

        assert "Why, for those who read it later" in page
        assert "An open period keeps the price that it began with." in page
        assert Plan.objects.get().held_at is not None

    def test_releases_with_a_reason(self, desk: Client, held: Plan, root: User) -> None:
        page = acting.act(desk, held, "release", reason="agreed with them")

        assert "released; it follows price price_other" in page
        assert Release.objects.get().released_by == root

    def test_says_why_it_can_not(self, desk: Client, plan: Plan) -> None:
        shown = acting.show(desk, plan, "release")

        assert shown.effects == ["The plan is not held."]
        assert not shown.can_act

    def test_cancels_now(self, desk: Client, plan: Plan, root: User) -> None:
        page = acting.act(desk, plan, "cancel_now", reason="fraud")

        begun = Cancellation.objects.get()
        assert f"counted from {dates.moment(begun.ends_at).text} on" in page
        assert (begun.requested_by, begun.reason) == (root, "fraud")
        assert canceling.waiting() == [begun]

    def test_is_for_who_is_permitted(self, plan: Plan, root: User, desk: Client) -> None:
        User.objects.filter(pk=root.pk).update(is_superuser=False)
        root.user_permissions.add(Permission.objects.get(codename="view_plan"))
        data = {"action": "cancel_now", "_selected_action": [str(plan.pk)]}

        desk.post(PLANS, data | {"step": "act", "reason": "so"})
        assert not Cancellation.objects.exists()

        root.user_permissions.add(Permission.objects.get(codename="cancel_plan"))
        acting.act(desk, plan, "cancel_now")
        assert Cancellation.objects.exists()
