"""Periods that came and went while nobody listened: as Stripe had them, closed oldest first."""

import logging
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from dateutil.relativedelta import relativedelta  # type: ignore[import-untyped]

from bencher import clock
from bencher.tenancy.models import Organization, User
from billing import close, customers, gateway, plans, prices, subscribing
from billing.models import BillingPeriod, Level, Plan, Statement
from series.models import Fence, Project
from tests.billing.conftest import report
from tests.billing.life.conftest import DAY, MINUTE, Travel, give_card
from tests.stripe_sandbox import Sandbox

MONTH = 31 * DAY


def spans() -> list[tuple[datetime, datetime, str]]:
    rows = BillingPeriod.objects.order_by("starts_at")
    return [(row.starts_at, row.ends_at, row.kind) for row in rows]


def from_anchor(anchor: datetime, months: int) -> list[tuple[datetime, datetime, str]]:
    """Return so many paid periods from an anchor, by another library's month arithmetic."""
    bounds = [anchor + relativedelta(months=number) for number in range(months + 1)]
    return [(*pair, "paid") for pair in pairwise(bounds)]


def test_are_taken_from_the_invoices(shop: Sandbox, trial: Plan, travel: Travel) -> None:
    began = trial.periods.get()
    anchor = began.ends_at
    travel(anchor + 3 * MONTH)

    plans.sync(trial.stripe_subscription_id)

    assert spans() == [(began.starts_at, anchor, "trial"), *from_anchor(anchor, 4)]


def test_an_anchor_on_the_last_of_a_month_is_stripes_business(
    shop: Sandbox, acme: Organization, alice: User, travel: Travel, settings: Any
) -> None:
    settings.PRO_TRIAL_DAYS = 0
    give_card(acme, alice)
    travel(datetime(2027, 1, 31, 12, 30, tzinfo=UTC))
    plan = subscribing.subscribe(acme, leader=alice, now=clock.now())
    anchor = plan.periods.get().starts_at
    travel(datetime(2027, 6, 15, tzinfo=UTC))

    plans.sync(plan.stripe_subscription_id)

    assert [(span[1].month, span[1].day) for span in spans()] == [
        (2, 28),
        (3, 31),
        (4, 30),
        (5, 31),
        (6, 30),
    ]
    assert spans() == from_anchor(anchor, 5)


def test_ask_stripe_no_more_than_a_missed_one_needs(
    shop: Sandbox, plan: Plan, travel: Travel
) -> None:
    travel(plan.periods.get().ends_at + MINUTE)
    before = len(shop.requests)

    plans.sync(plan.stripe_subscription_id)

    asked = [call.path.split("/")[2] for call in shop.requests[before:]]
    assert "invoices" not in asked, "it follows the last one"
    assert BillingPeriod.objects.count() == 2


def test_are_closed_oldest_first_with_what_was_reported_in_each(
    shop: Sandbox, plan: Plan, engine: Project, travel: Travel
) -> None:
    first = plan.periods.get()
    # Staff saw the outage and let reports in all the while.
    Organization.objects.update(private_until=None)
    report(engine, 2)
    travel(first.ends_at + DAY)
    report(engine, 3)
    travel(first.ends_at + 2 * MONTH + DAY)
    report(engine, 4)

    plans.sync(plan.stripe_subscription_id)
    attempts = list(close.close_due(now=clock.now()))

    assert [attempt.failure for attempt in attempts] == ["", "", ""]
    statements = Statement.objects.order_by("closed_at", "id")
    assert [row.starts_at for row in statements] == sorted(row.starts_at for row in statements)
    assert [row.series for row in statements] == [2, 3, 0]
    assert Fence.objects.get().at == spans()[-1][0]


def test_a_subscription_heard_of_after_months_has_all_of_its_periods(
    shop: Sandbox, acme: Organization, alice: User, travel: Travel
) -> None:
    give_card(acme, alice)
    customer = customers.of(acme, leader=alice, now=clock.now())
    found = gateway.connect().subscribe(
        customer_id=customer.stripe_customer_id,
        organization_uuid=str(acme.uuid),
        price_ids=prices.sold(Level.PRO),
        trial_days=10,
    )
    assert found.trial_ends_at is not None
    travel(found.trial_ends_at + MONTH)

    plans.sync(found.id)

    assert spans() == [
        (found.started_at, found.trial_ends_at, "trial"),
        *from_anchor(found.trial_ends_at, 2),
    ]


def test_one_that_ended_meanwhile_has_them_to_its_end(
    shop: Sandbox, plan: Plan, travel: Travel
) -> None:
    first = plan.periods.get()
    travel(first.ends_at + DAY)
    gateway.connect().set_cancel_at_period_end(plan.stripe_subscription_id, cancel=True)
    travel(first.ends_at + 2 * MONTH)

    ended = plans.sync(plan.stripe_subscription_id)

    assert ended.ended_at == spans()[-1][1]
    assert spans() == from_anchor(first.starts_at, 2)


def test_a_trial_that_was_extended_and_ended_meanwhile_is_whole(
    shop: Sandbox, trial: Plan, travel: Travel
) -> None:
    starts_at = trial.periods.get().starts_at
    until = trial.periods.get().ends_at + 5 * DAY
    move_trial(trial, until)
    travel(until + MONTH)

    plans.sync(trial.stripe_subscription_id)

    assert spans() == [(starts_at, until, "trial"), *from_anchor(until, 2)]


def test_a_trial_that_ended_early_meanwhile_is_cut(
    shop: Sandbox, trial: Plan, travel: Travel
) -> None:
    starts_at = trial.periods.get().starts_at
    until = starts_at + 3 * DAY
    move_trial(trial, until)
    travel(until + 2 * MONTH)

    plans.sync(trial.stripe_subscription_id)

    assert spans() == [(starts_at, until, "trial"), *from_anchor(until, 3)]


def move_trial(plan: Plan, until: datetime) -> None:
    client = gateway.connect()._client
    client.v1.subscriptions.update(
        plan.stripe_subscription_id, {"trial_end": int(until.timestamp())}
    )


def test_where_no_invoice_shows_them_people_are_told(
    shop: Sandbox, plan: Plan, travel: Travel, caplog: pytest.LogCaptureFixture
) -> None:
    travel(plan.periods.get().ends_at + 2 * MONTH)
    shop.state.tables["invoice"].clear()

    with caplog.at_level(logging.ERROR):
        plans.sync(plan.stripe_subscription_id)

    assert "no invoice shows what was billed in between" in caplog.messages
    # The current one is billed all the same.
    assert len(spans()) == 2
    assert spans()[-1][1] > clock.now()


def test_a_held_plan_has_the_missed_ones_at_its_own_price(
    shop: Sandbox, plan: Plan, travel: Travel
) -> None:
    travel(plan.periods.get().ends_at + MONTH)
    item = shop.state.tables["subscription_item"][plan.stripe_item_id]
    other = dict(shop.state.tables["price"][item["price"]], id="price_other")
    shop.state.tables["price"]["price_other"] = other
    item["price"] = "price_other"

    held = plans.sync(plan.stripe_subscription_id)

    assert held.held_at is not None
    assert len(spans()) == 2, "the current one waits for staff"
    assert timedelta(0) < clock.now() - spans()[-1][1] < MONTH
