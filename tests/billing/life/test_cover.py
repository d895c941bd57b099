"""Until when private reports are accepted, through a plan's life and Stripe's outages."""

from datetime import timedelta
from typing import Any

import pytest

from bencher import clock
from bencher.tenancy import organizations
from bencher.tenancy.models import Organization
from billing import cover, following, plans
from billing.models import Plan, Status
from tests.billing.life.conftest import DAY, Travel, at_stripe
from tests.factories import make_user
from tests.stripe_sandbox import Fault, Sandbox

pytestmark = pytest.mark.django_db

CALL = "GET /v1/subscriptions/*"


def until() -> Any:
    return Organization.objects.get().private_until


def test_a_new_organization_has_none_from_the_first_instant() -> None:
    now = clock.now()

    founded = organizations.found(name="Acme", leader=make_user("alice"), now=now)

    assert founded.private_until == until() == now


def test_while_billing_is_dark_it_has_all(settings: Any) -> None:
    settings.ACTIVE_SERIES_PRODUCT = ""

    organizations.found(name="Acme", leader=make_user("alice"), now=clock.now())

    assert until() is None


@pytest.mark.parametrize("status", list(Status))
def test_follows_each_status(shop: Sandbox, plan: Plan, settings: Any, status: Status) -> None:
    settings.PLAN_GRACE_DAYS = 5
    found = at_stripe(shop, plan.stripe_subscription_id)
    found["status"] = status.value
    if status in (Status.CANCELED, Status.INCOMPLETE_EXPIRED):
        found["ended_at"] = shop.clock.now()
    if status == Status.TRIALING:
        found["trial_start"], found["trial_end"] = found["start_date"], shop.clock.now() + 86400
    Organization.objects.update(private_until=None)
    now = clock.now().replace(microsecond=0)

    plans.sync(plan.stripe_subscription_id)

    ends_at = plan.periods.get().ends_at
    near = timedelta(seconds=5)
    match status:
        case Status.TRIALING | Status.ACTIVE | Status.PAST_DUE | Status.PAUSED:
            assert until() == ends_at + DAY
        case Status.UNPAID:
            assert abs(until() - now - 5 * DAY) < near
        case Status.CANCELED | Status.INCOMPLETE_EXPIRED:
            assert abs(until() - now - DAY) < near
        case Status.INCOMPLETE:
            assert abs(until() - now) < near


def test_a_paused_plan_stays_covered_past_its_period(
    shop: Sandbox, plan: Plan, travel: Travel
) -> None:
    at_stripe(shop, plan.stripe_subscription_id)["status"] = "paused"
    plans.sync(plan.stripe_subscription_id)
    # The sandbox would renew a running one.
    travel(plan.periods.get().ends_at + 3 * DAY)

    following.run(now=clock.now())

    assert until() > clock.now() + DAY / 2


def test_does_not_run_out_while_stripe_cannot_be_asked(
    shop: Sandbox, plan: Plan, travel: Travel
) -> None:
    ends_at = plan.periods.get().ends_at
    shop.faults.next(CALL, Fault.UNAVAILABLE, count=None)

    for hours in range(1, 73, 8):
        travel(ends_at + timedelta(hours=hours))
        following.run(now=clock.now())
        assert until() > clock.now()

    shop.faults.clear()
    travel(clock.now() + timedelta(minutes=2))
    following.run(now=clock.now())
    assert until() == Plan.objects.get().periods.latest("starts_at").ends_at + DAY


def test_is_not_given_to_who_has_no_plan_because_stripe_fails(shop: Sandbox, plan: Plan) -> None:
    Plan.objects.update(status=Status.UNPAID)
    before = clock.now()
    Organization.objects.update(private_until=before)

    assert cover.outlast_outage(now=before + DAY) == 0
    assert until() == before


class TestFollowing:
    def test_a_webhook_that_was_lost_is_made_up_for_within_a_day(
        self, shop: Sandbox, plan: Plan, travel: Travel
    ) -> None:
        at_stripe(shop, plan.stripe_subscription_id)["cancel_at_period_end"] = True

        travel(clock.now() + DAY)
        assert following.run(now=clock.now()) == 1
        assert Plan.objects.get().cancel_at_period_end

    def test_one_that_fails_stands_before_nobody(
        self, shop: Sandbox, plan: Plan, travel: Travel
    ) -> None:
        travel(clock.now() + DAY)
        shop.state.tables["subscription"].clear()

        assert following.run(now=clock.now()) == 0
        assert following.due(now=clock.now()) == []
        assert following.due(now=clock.now() + timedelta(hours=2)) != []
