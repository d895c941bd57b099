"""Other items: at once, previewed, or with the next period by a schedule."""

from dataclasses import dataclass
from typing import Any

import pytest
import stripe

from tests.sandbox.shop import (
    DAY,
    FEB,
    JAN,
    MAR,
    invoices,
    make_customer,
    make_meter,
    make_price,
    period,
    use,
)
from tests.sandbox.test_payments import seat
from tests.stripe_sandbox import Sandbox

HOUR = 3600
HALF = JAN + (FEB - JAN) // 2


@dataclass(frozen=True, slots=True)
class Legacy:
    """A customer, and the prices of a legacy plan and of the one that follows it."""

    client: stripe.StripeClient
    alice: stripe.Customer
    base: stripe.Price
    metrics: stripe.Price
    ladder: stripe.Price

    def subscribe(self, mode: str = "flexible") -> stripe.Subscription:
        """Subscribe to a base price in advance and to metrics afterwards."""
        params: Any = {
            "customer": self.alice.id,
            "items": self.items(),
            "billing_mode": {"type": mode},
        }
        return self.client.v1.subscriptions.create(params)

    def items(self) -> list[Any]:
        """Return the items of the legacy plan."""
        return [{"price": self.base.id, "quantity": 1}, {"price": self.metrics.id}]

    def swap(self, subscription: stripe.Subscription) -> list[Any]:
        """Return the change from a legacy plan to the ladder."""
        first, second = subscription["items"].data
        return [{"id": first.id, "deleted": True}, {"id": second.id, "price": self.ladder.id}]

    def use(self, value: int, at: int, event_name: str = "active_series") -> None:
        """Post usage of the customer."""
        use(self.client, self.alice, value, at, event_name)

    def invoices(self, subscription: stripe.Subscription) -> list[stripe.Invoice]:
        """Return the invoices of a subscription, newest first."""
        return invoices(self.client, subscription)


@pytest.fixture
def legacy(client: stripe.StripeClient) -> Legacy:
    meter = make_meter(client, "metrics", "sum")
    metrics = client.v1.prices.create(
        {
            "currency": "usd",
            "product_data": {"name": "Metrics"},
            "unit_amount": 1,
            "recurring": {"interval": "month", "usage_type": "metered", "meter": meter.id},
        }
    )
    return Legacy(
        client=client,
        alice=make_customer(client, card="pm_card_visa"),
        base=seat(client),
        metrics=metrics,
        ladder=make_price(client, make_meter(client)),
    )


def lines(invoice: stripe.Invoice) -> list[tuple[int, int | None]]:
    return [(line.amount, line.quantity) for line in invoice.lines.data]


class TestUpdate:
    @pytest.mark.parametrize(
        ("mode", "proration", "expected"),
        [
            ("flexible", "create_prorations", [(-1500, 1), (700, 700), (15000, 300)]),
            ("flexible", "none", [(15000, 300)]),
            ("classic", "create_prorations", [(-1500, 1), (15000, 300)]),
        ],
    )
    def test_bills_earlier_usage_only_under_flexible_billing(
        self,
        sandbox: Sandbox,
        client: stripe.StripeClient,
        legacy: Legacy,
        mode: str,
        proration: Any,
        expected: list[tuple[int, int]],
    ) -> None:
        subscription = legacy.subscribe(mode)
        legacy.use(700, JAN + 60, "metrics")
        sandbox.advance(HALF)
        updated = client.v1.subscriptions.update(
            subscription.id,
            {"items": legacy.swap(subscription), "proration_behavior": proration},
        )
        legacy.use(9000, HALF + 60, "metrics")
        legacy.use(300, HALF + 60)
        sandbox.advance(FEB)

        assert [item.price.id for item in updated["items"].data] == [legacy.ladder.id]
        assert period(updated) == (JAN, FEB)
        assert lines(legacy.invoices(subscription)[0]) == expected

    def test_counts_usage_once_where_both_prices_have_one_meter(
        self, sandbox: Sandbox, client: stripe.StripeClient, legacy: Legacy
    ) -> None:
        subscription = legacy.subscribe()
        dearer = client.v1.prices.create(
            {
                "currency": "usd",
                "product": str(legacy.metrics.product),
                "unit_amount": 5,
                "recurring": {
                    "interval": "month",
                    "usage_type": "metered",
                    "meter": str(legacy.metrics.recurring and legacy.metrics.recurring.meter),
                },
            }
        )
        legacy.use(700, JAN + 60, "metrics")
        sandbox.advance(HALF)
        item = subscription["items"].data[1]
        client.v1.subscriptions.update(
            subscription.id, {"items": [{"id": item.id, "price": dearer.id}]}
        )
        legacy.use(300, HALF + 60, "metrics")
        sandbox.advance(FEB)

        billed = lines(legacy.invoices(subscription)[0])
        assert sorted(billed) == [(700, 700), (1500, 300), (3000, 1)]

    def test_can_be_invoiced_at_once(
        self,
        sandbox: Sandbox,
        client: stripe.StripeClient,
        legacy: Legacy,
    ) -> None:
        subscription = legacy.subscribe()
        item = subscription["items"].data[0]
        sandbox.advance(HALF)
        client.v1.subscriptions.update(
            subscription.id,
            {
                "items": [{"id": item.id, "quantity": 3}],
                "proration_behavior": "always_invoice",
            },
        )
        latest = legacy.invoices(subscription)[0]

        assert (latest.billing_reason, latest.status) == ("subscription_update", "paid")
        assert [amount for amount, _ in lines(latest)] == [-1500, 4500]

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"id": "si_x", "price": "ladder"}, "No such subscription item"),
            ({"price": "metrics"}, "same plan"),
            ({"deleted": True}, "Missing required param"),
            ({"price": "ladder", "quantity": 2}, "usage_type is `metered`"),
        ],
    )
    def test_refuses(
        self,
        client: stripe.StripeClient,
        legacy: Legacy,
        change: dict[str, Any],
        words: str,
    ) -> None:
        subscription = legacy.subscribe()
        ids = {"ladder": legacy.ladder.id, "metrics": legacy.metrics.id}
        given: Any = {k: ids.get(v, v) if k == "price" else v for k, v in change.items()}

        with pytest.raises(stripe.InvalidRequestError, match=words):
            client.v1.subscriptions.update(subscription.id, {"items": [given]})

    def test_refuses_to_leave_nothing(
        self,
        client: stripe.StripeClient,
        legacy: Legacy,
    ) -> None:
        subscription = legacy.subscribe()
        gone: Any = [{"id": item.id, "deleted": True} for item in subscription["items"].data]

        with pytest.raises(stripe.InvalidRequestError, match="at least one"):
            client.v1.subscriptions.update(subscription.id, {"items": gone})


class TestPreview:
    def test_shows_changed_items_and_changes_nothing(
        self,
        sandbox: Sandbox,
        client: stripe.StripeClient,
        legacy: Legacy,
    ) -> None:
        subscription = legacy.subscribe()
        legacy.use(700, JAN + 60, "metrics")
        sandbox.advance(HALF)
        legacy.use(300, HALF)
        events = len(sandbox.objects("event"))
        preview = client.v1.invoices.create_preview(
            {
                "subscription": subscription.id,
                "subscription_details": {"items": legacy.swap(subscription)},
            }
        )
        after = client.v1.subscriptions.retrieve(subscription.id)

        assert sorted(lines(preview)) == [(-1500, 1), (700, 700), (15000, 300)]
        assert [item.price.id for item in after["items"].data] == [
            legacy.base.id,
            legacy.metrics.id,
        ]
        assert len(sandbox.objects("event")) == events


class TestSchedule:
    def plan(
        self,
        client: stripe.StripeClient,
        subscription: stripe.Subscription,
        legacy: Legacy,
        **more: Any,
    ) -> stripe.SubscriptionSchedule:
        """Let the ladder begin with the next period."""
        made = client.v1.subscription_schedules.create({"from_subscription": subscription.id})
        current = made.phases[0]
        params: Any = {
            "phases": [
                {
                    "start_date": current.start_date,
                    "end_date": current.end_date,
                    "items": legacy.items(),
                },
                {"items": [{"price": legacy.ladder.id}], "metadata": {"plan": "pro"}},
            ],
            **more,
        }
        return client.v1.subscription_schedules.update(made.id, params)

    @pytest.mark.parametrize(("bills", "ended"), [(True, [(700, 700)]), (False, [])])
    def test_changes_items_where_the_period_ends(
        self,
        sandbox: Sandbox,
        client: stripe.StripeClient,
        legacy: Legacy,
        bills: bool,
        ended: list[tuple[int, int]],
    ) -> None:
        sandbox.switches.phase_bills_ended_period = bills
        subscription = legacy.subscribe()
        schedule = self.plan(client, subscription, legacy)
        legacy.use(700, JAN + 60, "metrics")
        legacy.use(251, JAN + 60)
        before = client.v1.subscriptions.retrieve(subscription.id)
        sandbox.advance(FEB)
        after = client.v1.subscriptions.retrieve(subscription.id)
        boundary = legacy.invoices(subscription)[0]
        legacy.use(300, FEB + 60)
        sandbox.advance(MAR)

        assert [(p.start_date, p.end_date) for p in schedule.phases] == [(JAN, FEB), (FEB, MAR)]
        assert len(before["items"].data) == 2
        assert before.schedule == schedule.id
        assert [item.price.id for item in after["items"].data] == [legacy.ladder.id]
        assert (period(after), after.metadata.to_dict()) == ((FEB, MAR), {"plan": "pro"})
        assert lines(boundary) == ended
        assert lines(legacy.invoices(subscription)[0]) == [(15000, 300)]
        done = client.v1.subscription_schedules.retrieve(schedule.id)
        assert (done.status, done.released_subscription) == ("released", subscription.id)
        assert client.v1.subscriptions.retrieve(subscription.id).schedule is None

    def test_can_end_the_subscription(
        self,
        sandbox: Sandbox,
        client: stripe.StripeClient,
        legacy: Legacy,
    ) -> None:
        subscription = legacy.subscribe()
        self.plan(client, subscription, legacy, end_behavior="cancel")
        sandbox.advance(MAR)

        gone = client.v1.subscriptions.retrieve(subscription.id)
        assert (gone.status, gone.ended_at) == ("canceled", MAR)

    def test_keeps_the_subscription_from_being_canceled_past_it(
        self,
        client: stripe.StripeClient,
        legacy: Legacy,
    ) -> None:
        subscription = legacy.subscribe()
        schedule = self.plan(client, subscription, legacy)

        with pytest.raises(stripe.InvalidRequestError, match="managed by the subscription sched"):
            client.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
        with pytest.raises(stripe.InvalidRequestError, match="already attached"):
            client.v1.subscription_schedules.create({"from_subscription": subscription.id})
        released = client.v1.subscription_schedules.release(schedule.id)
        client.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})

        assert released.status == "released"
        with pytest.raises(stripe.InvalidRequestError, match="released"):
            client.v1.subscription_schedules.release(schedule.id)

    def test_needs_an_anchor_and_phases_without_gaps(
        self,
        client: stripe.StripeClient,
        legacy: Legacy,
    ) -> None:
        subscription = legacy.subscribe()
        now: Any = {"items": legacy.items()}
        later: Any = {"items": [{"price": legacy.ladder.id}], "start_date": FEB + DAY}
        gap: Any = {"phases": [{**now, "start_date": JAN, "end_date": FEB}, later]}

        with pytest.raises(stripe.InvalidRequestError, match="to anchor end dates to"):
            self.plan(client, subscription, legacy, phases=[now])
        schedule = client.v1.subscription_schedules.list({"customer": legacy.alice.id}).data[0]
        with pytest.raises(stripe.InvalidRequestError, match="where the one before it ends"):
            client.v1.subscription_schedules.update(schedule.id, gap)


class TestResume:
    def test_begins_a_period_with_a_card(
        self, sandbox: Sandbox, client: stripe.StripeClient, legacy: Legacy
    ) -> None:
        customer = make_customer(client)
        params: Any = {
            "customer": customer.id,
            "items": [{"price": legacy.ladder.id}],
            "trial_period_days": 14,
            "trial_settings": {"end_behavior": {"missing_payment_method": "pause"}},
        }
        subscription = client.v1.subscriptions.create(params)
        with pytest.raises(stripe.InvalidRequestError, match="Only paused"):
            client.v1.subscriptions.resume(subscription.id)
        sandbox.advance(JAN + 20 * DAY)

        resumed = client.v1.subscriptions.resume(subscription.id)

        assert (resumed.status, resumed.billing_cycle_anchor) == ("active", JAN + 20 * DAY)
        assert period(resumed)[0] == JAN + 20 * DAY
        assert sandbox.objects("event")[-1]["type"] != "customer.subscription.paused"


class TestMigrate:
    def test_makes_a_classic_subscription_flexible(
        self,
        client: stripe.StripeClient,
        legacy: Legacy,
    ) -> None:
        subscription = legacy.subscribe("classic")
        mode: Any = {"billing_mode": {"type": "flexible"}}

        migrated = client.v1.subscriptions.migrate(subscription.id, mode)

        assert migrated.billing_mode
        assert migrated.billing_mode.type == "flexible"
        with pytest.raises(stripe.InvalidRequestError, match="flexible already"):
            client.v1.subscriptions.migrate(subscription.id, mode)


class TestCancel:
    def test_credits_the_rest_of_what_was_paid_in_advance_if_asked(
        self,
        sandbox: Sandbox,
        client: stripe.StripeClient,
        legacy: Legacy,
    ) -> None:
        subscription = legacy.subscribe()
        legacy.use(700, JAN + 60, "metrics")
        sandbox.advance(HALF)
        client.v1.subscriptions.cancel(subscription.id, {"invoice_now": True, "prorate": True})
        sandbox.advance(HALF + HOUR)
        last = legacy.invoices(subscription)[0]

        assert sorted(lines(last)) == [(-1500, 1), (700, 700)]
        assert (last.total, last.amount_due, last.status) == (-800, 0, "paid")
        assert client.v1.customers.retrieve(legacy.alice.id).balance == -800
