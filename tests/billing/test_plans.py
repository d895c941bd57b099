"""Plans and their periods, read from the Stripe sandbox; and what they cover."""

from datetime import datetime, timedelta
from typing import Any

import pytest
import requests

from bencher import clock
from bencher.tenancy.models import Organization, User
from billing import (
    checkouts,
    cover,
    following,
    gateway,
    plans,
    resubscribing,
    stripe_setup,
    subscribing,
    trials,
)
from billing.models import BillingPeriod, Checkout, Level, Plan, Status
from series.models import Fence
from tests.factories import make_organization, make_user
from tests.stripe_sandbox import Sandbox

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def alice() -> User:
    return make_user("alice")


@pytest.fixture
def acme(alice: User) -> Organization:
    return make_organization("Acme", leader=alice)


@pytest.fixture
def subscribed(shop: Sandbox, acme: Organization, alice: User) -> Plan:
    return subscribing.subscribe(acme, leader=alice, now=clock.now())


def advance(sandbox: Sandbox, to: datetime) -> None:
    sandbox.advance(int(to.timestamp()))


def covered_until(organization: Organization) -> datetime | None:
    organization.refresh_from_db()
    return organization.private_until


class TestSync:
    def test_a_new_subscription_is_a_plan_with_its_trial_period(self, subscribed: Plan) -> None:
        period = BillingPeriod.objects.get()

        assert (subscribed.level, subscribed.status) == (Level.PRO, Status.TRIALING)
        assert (period.kind, period.state, period.basis) == ("trial", "open", "private")
        assert period.ends_at - period.starts_at == 30 * DAY
        assert [tier["up_to"] for tier in period.tiers] == [250, 375, 500, None]

    def test_a_new_period_fences_off_what_came_before(self, subscribed: Plan) -> None:
        assert Fence.objects.get().at == BillingPeriod.objects.get().starts_at

    def test_the_period_after_the_trial_is_a_paid_one(
        self, shop: Sandbox, subscribed: Plan
    ) -> None:
        trial = BillingPeriod.objects.get()
        advance(shop, trial.ends_at + timedelta(minutes=1))

        plan = plans.sync(subscribed.stripe_subscription_id)

        first, second = BillingPeriod.objects.order_by("starts_at")
        assert (first.kind, second.kind) == ("trial", "paid")
        assert second.starts_at == first.ends_at
        assert plan.status == Status.ACTIVE

    def test_twice_changes_nothing(self, subscribed: Plan) -> None:
        before = Plan.objects.values().get() | {"synced_at": None}

        plans.sync(subscribed.stripe_subscription_id)

        assert Plan.objects.values().get() | {"synced_at": None} == before
        assert BillingPeriod.objects.count() == 1

    def test_an_older_answer_does_not_overwrite_a_newer_one(
        self, shop: Sandbox, subscribed: Plan
    ) -> None:
        older = gateway.connect().subscription(subscribed.stripe_subscription_id)
        asked_at = clock.now() - timedelta(seconds=1)
        Plan.objects.update(synced_at=clock.now(), status=Status.PAST_DUE)

        plans.store(older, asked_at=asked_at)

        assert Plan.objects.get().status == Status.PAST_DUE

    def test_a_foreign_customer_is_refused(self, shop: Sandbox, subscribed: Plan) -> None:
        stranger = gateway.connect().customer(
            name="Stranger", email="x@example.com", organization_uuid="none of ours"
        )
        found = gateway.connect().subscribe(
            customer_id=stranger,
            organization_uuid="none of ours",
            price_ids=[subscribed.stripe_price_id],
            trial_days=3,
        )

        with pytest.raises(plans.ForeignSubscriptionError):
            plans.sync(found.id)
        assert Plan.objects.count() == 1

    def test_a_second_live_subscription_is_refused(
        self, shop: Sandbox, subscribed: Plan, acme: Organization
    ) -> None:
        second = gateway.connect().subscribe(
            customer_id=acme.billing_customer.stripe_customer_id,
            organization_uuid=str(acme.uuid),
            price_ids=[subscribed.stripe_price_id],
            trial_days=3,
        )

        with pytest.raises(plans.SecondSubscriptionError):
            plans.sync(second.id)
        assert Plan.objects.get() == subscribed

    def test_the_timer_finds_plans_whose_period_has_ended(self, subscribed: Plan) -> None:
        ends_at = BillingPeriod.objects.get().ends_at

        Plan.objects.update(synced_at=ends_at - timedelta(seconds=2))

        assert following.due(now=ends_at - timedelta(seconds=1)) == []
        assert following.due(now=ends_at) == [subscribed.stripe_subscription_id]

    def test_the_timer_asks_again_once_a_minute(self, subscribed: Plan) -> None:
        ends_at = BillingPeriod.objects.get().ends_at
        Plan.objects.update(synced_at=ends_at)

        assert following.due(now=ends_at + timedelta(seconds=59)) == []
        assert following.due(now=ends_at + timedelta(seconds=60)) != []

    def test_plans_without_a_period_are_asked_about_once_an_hour(self, subscribed: Plan) -> None:
        synced_at = Plan.objects.get().synced_at
        BillingPeriod.objects.all().delete()

        assert following.due(now=synced_at + timedelta(minutes=59)) == []
        assert following.due(now=synced_at + timedelta(minutes=60)) != []


class TestCover:
    def test_a_plan_covers_its_period_and_a_day(self, subscribed: Plan, acme: Organization) -> None:
        assert covered_until(acme) == BillingPeriod.objects.get().ends_at + DAY

    def test_it_is_never_shortened_while_the_plan_lives(
        self, subscribed: Plan, acme: Organization
    ) -> None:
        later = BillingPeriod.objects.get().ends_at + 9 * DAY
        Organization.objects.update(private_until=later)

        plans.sync(subscribed.stripe_subscription_id)

        assert covered_until(acme) == later

    def test_organizations_without_a_plan_lose_their_unlimited_cover(
        self, subscribed: Plan, acme: Organization
    ) -> None:
        globex = make_organization("Globex", leader=make_user("charlie"))
        assert covered_until(globex) is None
        before, now = covered_until(acme), clock.now()

        assert cover.end_without_plan(now=now) == 1
        assert covered_until(globex) == now
        assert covered_until(acme) == before


class TestCheckout:
    def complete(self, sandbox: Sandbox, session_id: str) -> None:
        # The redirect back to us is not followed: that is the other way in.
        url = f"{sandbox.url}/c/pay/{session_id}"
        requests.post(
            url, data={"card": "4242", "terms": "accepted"}, timeout=10, allow_redirects=False
        )

    def start(self, acme: Organization, alice: User) -> Checkout:
        checkouts.start(acme, user=alice, now=clock.now())
        return Checkout.objects.get(state="open")

    def test_an_open_one_is_returned_again(
        self, shop: Sandbox, acme: Organization, alice: User
    ) -> None:
        first = checkouts.start(acme, user=alice, now=clock.now())

        assert checkouts.start(acme, user=alice, now=clock.now()).id == first.id
        assert Checkout.objects.count() == 1

    def test_completing_makes_the_plan_whoever_comes_first(
        self, shop: Sandbox, acme: Organization, alice: User
    ) -> None:
        checkout = self.start(acme, alice)
        assert checkouts.complete(checkout.stripe_session_id, now=clock.now()) is None

        self.complete(shop, checkout.stripe_session_id)

        plan = checkouts.complete(checkout.stripe_session_id, now=clock.now())
        assert plan is not None
        assert plan.status == Status.TRIALING
        assert checkouts.complete(checkout.stripe_session_id, now=clock.now()) == plan
        checkout.refresh_from_db()
        assert checkout.state == Checkout.State.COMPLETED

    def test_starting_after_completing_finds_the_plan(
        self, shop: Sandbox, acme: Organization, alice: User
    ) -> None:
        checkout = self.start(acme, alice)
        self.complete(shop, checkout.stripe_session_id)

        with pytest.raises(resubscribing.AlreadySubscribedError):
            checkouts.start(acme, user=alice, now=clock.now())
        assert Plan.objects.count() == 1

    def test_a_foreign_session_is_refused(self, shop: Sandbox, acme: Organization) -> None:
        with pytest.raises(checkouts.ForeignCheckoutError):
            checkouts.complete("cs_unknown", now=clock.now())

    def test_a_user_gets_one_trial_and_an_organization_too(
        self, shop: Sandbox, acme: Organization, alice: User
    ) -> None:
        globex = make_organization("Globex", leader=alice)
        assert trials.is_due(acme, alice)
        checkout = self.start(acme, alice)
        assert trials.is_due(acme, alice)
        assert not trials.is_due(globex, alice), "the open checkout may be completed"
        self.complete(shop, checkout.stripe_session_id)
        checkouts.complete(checkout.stripe_session_id, now=clock.now())

        assert not trials.is_due(acme, make_user("bob"))
        assert not trials.is_due(globex, alice)
        assert trials.is_due(globex, make_user("charlie"))

    def test_without_a_product_nothing_is_sold(
        self, shop: Sandbox, acme: Organization, alice: User, settings: Any
    ) -> None:
        settings.ACTIVE_SERIES_PRODUCT = ""

        with pytest.raises(checkouts.LevelNotSoldError, match="ACTIVE_SERIES_PRODUCT"):
            checkouts.start(acme, user=alice, now=clock.now())


class TestSetup:
    def test_a_second_run_finds_everything(self, shop: Sandbox) -> None:
        assert [step.what for step in stripe_setup.run() if step.changes] == []

    def test_the_price_is_tiered_by_volume_on_the_meter(self, shop: Sandbox) -> None:
        price = gateway.connect().metered_price_of("prod_pro")

        meter = shop.objects("billing.meter")[0]
        assert price.tiers_mode == "volume"
        assert price.meter_id == meter["id"]
        assert meter["default_aggregation"]["formula"] == "last"
