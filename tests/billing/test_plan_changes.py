"""What Stripe may say of a subscription later: ended, renewed early, changed, unpaid."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bencher.tenancy.models import Organization
from billing import close, gateway, plans, posting, prices, pricing, settlement, tasks
from billing.models import BillingPeriod, Level, MeterEvent, Plan, WebhookReceipt
from tests.billing.conftest import MONTH, make_subscriber
from tests.factories import DEC, NOV, TIERS, make_customer, make_organization, make_user

pytestmark = pytest.mark.django_db
MID = datetime(2026, 11, 23, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def acme(monkeypatch: pytest.MonkeyPatch) -> Organization:
    monkeypatch.setattr(prices, "tiers", lambda _: TIERS)
    monkeypatch.setattr(gateway.Gateway, "invoices_of", lambda *_: [])
    organization = make_organization("Acme", leader=make_user("alice"))
    make_customer(organization)
    return organization


def store(organization: Organization, *, asked_at: datetime, **changes: Any) -> Plan:
    """Store a subscription to Pro from November to December, but for the changes."""
    item: dict[str, Any] = {
        "product_id": "prod_pro",
        "price_id": "price_pro",
        "starts_at": NOV,
        "ends_at": DEC,
    }
    item |= {name: changes.pop(name) for name in list(changes) if name in item}
    told: dict[str, Any] = {
        "id": "sub_1",
        "status": "active",
        "trial_ends_at": None,
        "ended_at": None,
        "started_at": item["starts_at"],
    }
    found = gateway.Subscription(
        customer_id=organization.billing_customer.stripe_customer_id,
        items=(gateway.Item(id="si_1", **item),),
        organization_uuid=str(organization.uuid),
        cancel_at_period_end=False,
        **told | changes,
    )
    return plans.store(found, asked_at=asked_at)


def periods() -> list[tuple[datetime, datetime]]:
    return list(BillingPeriod.objects.order_by("starts_at").values_list("starts_at", "ends_at"))


def covered_until(organization: Organization) -> datetime | None:
    organization.refresh_from_db()
    return organization.private_until


class TestPeriods:
    def test_a_period_ends_with_its_subscription(self, acme: Organization) -> None:
        store(acme, asked_at=NOV)

        plan = store(acme, asked_at=MID, status="canceled", ended_at=MID)

        assert plan.ended_at == MID
        assert periods() == [(NOV, MID)]

    def test_subscribing_again_in_the_same_month_opens_the_next_one(
        self, acme: Organization
    ) -> None:
        store(acme, asked_at=NOV)
        store(acme, asked_at=MID, status="canceled", ended_at=MID)

        store(acme, asked_at=MID + DAY, id="sub_2", starts_at=MID + DAY, ends_at=DEC + 20 * DAY)

        assert periods() == [(NOV, MID), (MID + DAY, DEC + 20 * DAY)]
        assert Plan.objects.get(ended_at=None).stripe_subscription_id == "sub_2"

    def test_a_trial_that_ends_early_makes_room_for_the_paid_period(
        self, acme: Organization
    ) -> None:
        store(acme, asked_at=NOV, status="trialing", trial_ends_at=DEC)

        store(acme, asked_at=MID, trial_ends_at=MID, starts_at=MID, ends_at=DEC + 22 * DAY)

        assert periods() == [(NOV, MID), (MID, DEC + 22 * DAY)]
        kinds = BillingPeriod.objects.order_by("starts_at").values_list("kind", flat=True)
        assert list(kinds) == ["trial", "paid"]

    def test_a_trial_that_is_extended_ends_later(self, acme: Organization) -> None:
        store(acme, asked_at=NOV, status="trialing", trial_ends_at=DEC)

        store(acme, asked_at=MID, status="trialing", trial_ends_at=DEC + DAY, ends_at=DEC + DAY)

        assert periods() == [(NOV, DEC + DAY)]

    def test_a_closed_period_never_moves(self, acme: Organization) -> None:
        store(acme, asked_at=NOV)
        BillingPeriod.objects.update(state="frozen")

        store(acme, asked_at=MID, ends_at=DEC + DAY)
        store(acme, asked_at=MID, status="canceled", ended_at=MID)

        assert periods() == [(NOV, DEC)]


class TestHeld:
    @pytest.mark.parametrize(
        "changed", [{"price_id": "price_other"}, {"product_id": "prod_x", "price_id": "price_x"}]
    )
    def test_another_price_holds_the_plan_and_is_left_to_staff(
        self, acme: Organization, changed: dict[str, str]
    ) -> None:
        store(acme, asked_at=NOV)

        plan = store(acme, asked_at=MID, **changed)

        assert (plan.level, plan.stripe_price_id) == (Level.PRO, "price_pro")
        assert plan.held_at == MID
        assert changed["price_id"] in plan.held_why

    def test_a_held_plan_opens_no_period_at_a_price_nobody_looked_at(
        self, acme: Organization
    ) -> None:
        store(acme, asked_at=NOV)

        store(acme, asked_at=DEC, price_id="price_other", starts_at=DEC, ends_at=DEC + MONTH)

        assert periods() == [(NOV, DEC)]

    def test_an_older_plan_follows_its_price(self, acme: Organization) -> None:
        store(acme, asked_at=NOV, product_id="prod_team", price_id="price_1")

        plan = store(acme, asked_at=MID, product_id="prod_team", price_id="price_2")

        assert (plan.level, plan.stripe_price_id, plan.held_at) == ("team", "price_2", None)


class TestCover:
    def test_incomplete_covers_nothing(self, acme: Organization) -> None:
        store(acme, asked_at=MID, status="incomplete")

        assert covered_until(acme) == MID

    def test_unpaid_covers_the_days_of_grace_from_when_it_was_unpaid(
        self, acme: Organization, settings: Any
    ) -> None:
        settings.PLAN_GRACE_DAYS = 5
        store(acme, asked_at=NOV, status="past_due")
        assert covered_until(acme) == DEC + DAY

        store(acme, asked_at=MID, status="unpaid")
        store(acme, asked_at=MID + DAY, status="unpaid")

        assert covered_until(acme) == MID + 5 * DAY

    def test_an_ended_plan_covers_a_day_more(self, acme: Organization) -> None:
        store(acme, asked_at=NOV)

        store(acme, asked_at=MID, status="canceled", ended_at=MID)

        assert covered_until(acme) == MID + DAY


class TestDark:
    @pytest.fixture(autouse=True)
    def dark(self, settings: Any) -> None:
        settings.ACTIVE_SERIES_PRODUCT = ""

    def test_nobody_loses_cover(self, acme: Organization) -> None:
        store(acme, asked_at=NOV, product_id="prod_team")
        store(acme, asked_at=MID, product_id="prod_team", status="canceled", ended_at=MID)

        assert covered_until(acme) is None

    def test_a_pro_plan_stays_one(self, acme: Organization, settings: Any) -> None:
        settings.ACTIVE_SERIES_PRODUCT = "prod_pro"
        store(acme, asked_at=NOV)
        settings.ACTIVE_SERIES_PRODUCT = ""

        assert store(acme, asked_at=MID).level == Level.PRO

    def test_closing_posts_nothing(self) -> None:
        plan, _ = make_subscriber("globex")
        assert posting.is_dark()

        close.close(plan.periods.get().pk, now=plan.periods.get().ends_at)

        assert not MeterEvent.objects.exists()


class TestClosing:
    def test_a_period_that_has_not_ended_is_not_closed(self) -> None:
        plan, _ = make_subscriber("globex")
        ends_at = plan.periods.get().ends_at

        with pytest.raises(close.PeriodNotEndedError):
            close.close(plan.periods.get().pk, now=ends_at - timedelta(microseconds=1))
        assert plan.periods.get().state == "open"


class TestTimer:
    def test_a_webhook_that_cannot_be_handled_stops_nobody_else(
        self, db: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for number in range(3):
            WebhookReceipt.objects.create(
                event_id=f"evt_{number}",
                type="customer.subscription.updated",
                object_id=f"sub_{number}",
                subject_id=f"sub_{number}",
                received_at=NOV + number * DAY,
            )
        synced, settled = [], []

        def sync(subscription_id: str) -> None:
            synced.append(subscription_id)
            if subscription_id == "sub_0":
                raise pricing.LadderError("the price can't be billed by")
            if subscription_id == "sub_1":
                raise RuntimeError("a fault of ours")

        monkeypatch.setattr(plans, "sync", sync)

        def settle_due(*, now: datetime) -> None:
            settled.append(now)

        monkeypatch.setattr(settlement, "settle_due", settle_due)

        tasks.sync_plans()

        assert synced == ["sub_0", "sub_1", "sub_2"]
        assert len(settled) == 1
        handled = WebhookReceipt.objects.exclude(handled_at=None).order_by("pk")
        assert [receipt.object_id for receipt in handled] == ["sub_0", "sub_2"]
        assert "can't be billed" in handled[0].failure
