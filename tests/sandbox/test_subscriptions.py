"""The life of a subscription: trial, periods, drafts, payment, the end."""

from datetime import UTC, datetime

import pytest
import stripe

from tests.sandbox.shop import (
    DAY,
    FEB,
    JAN,
    MAR,
    instant,
    invoices,
    make_customer,
    make_meter,
    make_price,
    period,
    subscribe,
    use,
)
from tests.stripe_sandbox import Sandbox

HOUR = 3600


@pytest.fixture
def price(client: stripe.StripeClient) -> stripe.Price:
    return make_price(client, make_meter(client))


@pytest.fixture
def alice(client: stripe.StripeClient) -> stripe.Customer:
    return make_customer(client, card="pm_card_visa")


def again(client: stripe.StripeClient, subscription: stripe.Subscription) -> stripe.Subscription:
    return client.v1.subscriptions.retrieve(subscription.id)


def kinds(sandbox: Sandbox, after: str) -> list[str]:
    """Return the types of the events that came after the last one of a type."""
    names = [event["type"] for event in sandbox.objects("event")]
    return names[len(names) - names[::-1].index(after) :]


class TestShape:
    def test_is_that_of_dahlia(
        self, client: stripe.StripeClient, price: stripe.Price, alice: stripe.Customer
    ) -> None:
        subscription = subscribe(client, alice, price, metadata={"organization": "acme"})
        shown = subscription.to_dict(for_json=True)
        invoice = invoices(client, subscription)[0].to_dict(for_json=True)
        line = invoice["lines"]["data"][0]

        assert "current_period_end" not in shown
        assert period(subscription) == (JAN, FEB)
        assert "quantity" not in shown["items"]["data"][0]
        assert shown["latest_invoice"] == invoice["id"]
        assert "subscription" not in invoice
        assert invoice["parent"]["subscription_details"] == {
            "metadata": {"organization": "acme"},
            "subscription": subscription.id,
        }
        assert line["pricing"]["price_details"]["price"] == price.id
        assert line["parent"]["subscription_item_details"]["subscription"] == subscription.id
        assert (invoice["billing_reason"], invoice["total"]) == ("subscription_create", 0)


class TestPeriods:
    @pytest.mark.parametrize("day", [28, 29, 30, 31])
    def test_follow_the_anchor_over_a_leap_february(
        self, sandbox: Sandbox, client: stripe.StripeClient, day: int
    ) -> None:
        sandbox.set_clock(instant(2028, 1, day, 23, 59), frozen=True)
        price = make_price(client, make_meter(client))
        subscription = subscribe(client, make_customer(client, card="pm_card_visa"), price)

        sandbox.advance(instant(2028, 6, 15))

        bounds = [invoice.period_end for invoice in reversed(invoices(client, subscription))]
        assert [f"{datetime.fromtimestamp(at, UTC):%m-%d %H:%M}" for at in bounds[1:]] == [
            "02-29 23:59" if day > 28 else "02-28 23:59",
            f"03-{day} 23:59",
            f"04-{min(day, 30)} 23:59",
            f"05-{day} 23:59",
        ]

    def test_are_half_open(
        self,
        sandbox: Sandbox,
        client: stripe.StripeClient,
        price: stripe.Price,
        alice: stripe.Customer,
    ) -> None:
        subscription = subscribe(client, alice, price)
        sandbox.advance(FEB)
        use(client, alice, 300, FEB - 1)
        use(client, alice, 600, FEB)

        sandbox.advance(MAR)
        latest, before, _ = invoices(client, subscription)

        assert (before.lines.data[0].quantity, before.total) == (300, 15000)
        assert (latest.lines.data[0].quantity, latest.total) == (600, 24000)
        assert (latest.period_start, latest.period_end) == (FEB, MAR)
        assert latest.lines.data[0].period.to_dict() == {"start": FEB, "end": MAR}

    def test_that_are_quiet_bill_the_flat_fee_of_the_first_tier(
        self,
        sandbox: Sandbox,
        client: stripe.StripeClient,
        price: stripe.Price,
        alice: stripe.Customer,
    ) -> None:
        subscription = subscribe(client, alice, price)
        use(client, alice, 300, JAN)

        sandbox.advance(FEB)
        sandbox.advance(MAR)
        sandbox.switches.flat_fee_at_zero = False
        dark = invoices(client, subscription)[0]
        sandbox.switches.flat_fee_at_zero = True
        lit = invoices(client, subscription)[0]

        assert (dark.lines.data[0].quantity, dark.total) == (0, 0)
        assert (lit.lines.data[0].quantity, lit.total) == (0, 10000)

    def test_never_bill_a_negative_quantity(
        self,
        sandbox: Sandbox,
        client: stripe.StripeClient,
        price: stripe.Price,
        alice: stripe.Customer,
    ) -> None:
        subscription = subscribe(client, alice, price)
        use(client, alice, -5, JAN)
        sandbox.advance(FEB)

        assert invoices(client, subscription)[0].lines.data[0].quantity == 0


class TestDraft:
    def test_counts_late_usage_until_it_is_finalized(
        self,
        sandbox: Sandbox,
        client: stripe.StripeClient,
        price: stripe.Price,
        alice: stripe.Customer,
    ) -> None:
        subscription = subscribe(client, alice, price)
        use(client, alice, 300, JAN)
        sandbox.advance(FEB)
        draft = invoices(client, subscription)[0]

        sandbox.advance(FEB + HOUR - 1)
        use(client, alice, 501, FEB - 60)
        live = invoices(client, subscription)[0]
        sandbox.advance(FEB + HOUR)
        use(client, alice, 999, FEB - 30)
        final = invoices(client, subscription)[0]

        assert (draft.status, draft.automatically_finalizes_at) == ("draft", FEB + HOUR)
        assert (draft.total, live.total) == (15000, 20040)
        assert (final.status, final.total, final.amount_paid) == ("paid", 20040, 20040)
        assert final.status_transitions.finalized_at == FEB + HOUR
        assert final.number is not None
        assert sum(line.amount for line in final.lines.data) == final.total

    def test_is_finalized_when_it_is_moved_to(
        self,
        sandbox: Sandbox,
        client: stripe.StripeClient,
        price: stripe.Price,
        alice: stripe.Customer,
    ) -> None:
        subscription = subscribe(client, alice, price)
        sandbox.advance(FEB)
        draft = invoices(client, subscription)[0]

        moved = client.v1.invoices.update(
            draft.id, {"automatically_finalizes_at": FEB + DAY, "metadata": {"held": "yes"}}
        )
        sandbox.advance(FEB + DAY - 1)
        held = client.v1.invoices.retrieve(draft.id)
        client.v1.invoices.update(draft.id, {"automatically_finalizes_at": FEB + DAY + 60})
        sandbox.advance(FEB + DAY + 60)

        assert (moved.automatically_finalizes_at, held.status) == (FEB + DAY, "draft")
        assert client.v1.invoices.retrieve(draft.id).status == "paid"
        with pytest.raises(stripe.InvalidRequestError, match="Finalized"):
            client.v1.invoices.update(draft.id, {"automatically_finalizes_at": MAR})

    def test_is_never_finalized_by_itself_without_auto_advance(
        self,
        sandbox: Sandbox,
        client: stripe.StripeClient,
        price: stripe.Price,
        alice: stripe.Customer,
    ) -> None:
        subscription = subscribe(client, alice, price)
        sandbox.advance(FEB)
        draft = invoices(client, subscription)[0]
        client.v1.invoices.update(draft.id, {"auto_advance": False})
        sandbox.advance(FEB + 3 * DAY)

        assert client.v1.invoices.retrieve(draft.id).status == "draft"
        assert client.v1.invoices.finalize_invoice(draft.id).status == "open"
        assert client.v1.invoices.pay(draft.id).status == "paid"


class TestTrial:
    def test_is_free_and_a_new_period_starts_at_its_end(
        self,
        sandbox: Sandbox,
        client: stripe.StripeClient,
        price: stripe.Price,
        alice: stripe.Customer,
    ) -> None:
        subscription = subscribe(client, alice, price, trial_period_days=14)
        ends = JAN + 14 * DAY
        use(client, alice, 501, JAN)

        sandbox.advance(ends)
        after = kinds(sandbox, "customer.subscription.trial_will_end")
        sandbox.advance(ends + HOUR)
        running = again(client, subscription)
        free = invoices(client, subscription)

        assert (subscription.status, period(subscription)) == ("trialing", (JAN, ends))
        assert (subscription.trial_start, subscription.trial_end) == (JAN, ends)
        assert after == ["invoice.created", "customer.subscription.updated"]
        assert (running.status, running.billing_cycle_anchor) == ("active", ends)
        assert period(running) == (ends, instant(2026, 2, 28, 9, 30))
        assert [(i.total, i.status) for i in free] == [(0, "paid"), (0, "paid")]
        assert free[0].lines.data[0].period.to_dict() == {"start": JAN, "end": ends}

    def test_is_announced_three_days_before_its_end(
        self,
        sandbox: Sandbox,
        client: stripe.StripeClient,
        price: stripe.Price,
        alice: stripe.Customer,
    ) -> None:
        subscribe(client, alice, price, trial_period_days=14)
        sandbox.advance(JAN + 14 * DAY)

        announced = [
            event["created"]
            for event in sandbox.objects("event")
            if event["type"] == "customer.subscription.trial_will_end"
        ]
        assert announced == [JAN + 11 * DAY]

    @pytest.mark.parametrize(
        ("behavior", "status"),
        [("cancel", "canceled"), ("pause", "paused"), ("create_invoice", "active")],
    )
    def test_without_a_card_ends_as_its_settings_say(
        self,
        sandbox: Sandbox,
        client: stripe.StripeClient,
        price: stripe.Price,
        behavior: str,
        status: str,
    ) -> None:
        subscription = subscribe(
            client,
            make_customer(client),
            price,
            trial_period_days=14,
            trial_settings={"end_behavior": {"missing_payment_method": behavior}},
        )
        sandbox.advance(JAN + 14 * DAY)

        assert again(client, subscription).status == status

    def test_can_be_ended_now(
        self,
        sandbox: Sandbox,
        client: stripe.StripeClient,
        price: stripe.Price,
        alice: stripe.Customer,
    ) -> None:
        subscription = subscribe(client, alice, price, trial_period_days=14)
        sandbox.advance(JAN + DAY)

        ended = client.v1.subscriptions.update(subscription.id, {"trial_end": "now"})

        assert (ended.status, ended.trial_end) == ("active", JAN + DAY)
        assert period(ended) == (JAN + DAY, instant(2026, 2, 16, 9, 30))


class TestPayment:
    @pytest.mark.parametrize("card", [None, "pm_card_chargeCustomerFail"])
    def test_that_fails_makes_the_subscription_past_due_until_it_is_paid(
        self, sandbox: Sandbox, client: stripe.StripeClient, price: stripe.Price, card: str | None
    ) -> None:
        customer = make_customer(client, card=card)
        subscription = subscribe(client, customer, price)
        sandbox.advance(FEB + HOUR)
        owed = invoices(client, subscription)[0]

        assert (owed.status, owed.attempted, owed.amount_remaining) == ("open", True, 10000)
        assert again(client, subscription).status == "past_due"
        assert kinds(sandbox, "invoice.finalized") == [
            "invoice.payment_failed",
            "customer.subscription.updated",
        ]
        client.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
        method = client.v1.payment_methods.list({"customer": customer.id}).data[0]
        client.v1.invoices.pay(owed.id, {"payment_method": method.id})
        assert again(client, subscription).status == "active"

    def test_that_is_declined_says_so(
        self, sandbox: Sandbox, client: stripe.StripeClient, price: stripe.Price
    ) -> None:
        customer = make_customer(client, card="pm_card_chargeCustomerFail")
        subscription = subscribe(client, customer, price)
        sandbox.advance(FEB + HOUR)

        with pytest.raises(stripe.CardError):
            client.v1.invoices.pay(invoices(client, subscription)[0].id)
        with pytest.raises(stripe.CardError):
            client.v1.payment_methods.attach("pm_card_chargeDeclined", {"customer": customer.id})

    def test_is_listed_with_the_invoice(
        self,
        sandbox: Sandbox,
        client: stripe.StripeClient,
        price: stripe.Price,
        alice: stripe.Customer,
    ) -> None:
        subscription = subscribe(client, alice, price)
        sandbox.advance(FEB + HOUR)
        paid = invoices(client, subscription, expand=["data.payments"])[0].to_dict()
        payments = client.v1.invoice_payments.list({"invoice": paid["id"]}).data

        assert paid["payments"]["data"][0]["amount_paid"] == 10000
        assert [payment.id for payment in payments] == [paid["payments"]["data"][0]["id"]]

    def test_is_not_owed_for_a_void_invoice(
        self, sandbox: Sandbox, client: stripe.StripeClient, price: stripe.Price
    ) -> None:
        subscription = subscribe(client, make_customer(client), price)
        sandbox.advance(FEB + HOUR)
        voided = client.v1.invoices.void_invoice(invoices(client, subscription)[0].id)

        assert (voided.status, again(client, subscription).status) == ("void", "active")


class TestEnd:
    def test_at_the_end_of_the_period_still_bills_it(
        self,
        sandbox: Sandbox,
        client: stripe.StripeClient,
        price: stripe.Price,
        alice: stripe.Customer,
    ) -> None:
        subscription = subscribe(client, alice, price)
        use(client, alice, 376, JAN)
        leaving = client.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
        sandbox.advance(FEB + HOUR)
        gone = again(client, subscription)

        assert (leaving.cancel_at, leaving.canceled_at, leaving.status) == (FEB, JAN, "active")
        assert (gone.status, gone.ended_at) == ("canceled", FEB)
        assert [(i.total, i.status) for i in invoices(client, subscription)] == [
            (20000, "paid"),
            (0, "paid"),
        ]
        assert sandbox.next_at() is None
        assert client.v1.subscriptions.list({"customer": alice.id}).data == []
        assert len(client.v1.subscriptions.list({"status": "all"}).data) == 1

    def test_can_be_withdrawn(
        self,
        sandbox: Sandbox,
        client: stripe.StripeClient,
        price: stripe.Price,
        alice: stripe.Customer,
    ) -> None:
        subscription = subscribe(client, alice, price)
        client.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
        kept = client.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": False})
        sandbox.advance(FEB)

        assert (kept.cancel_at, kept.canceled_at) == (None, None)
        assert again(client, subscription).status == "active"

    @pytest.mark.parametrize("outcome", [(True, [20040, 0]), (False, [0])])
    def test_now_bills_the_usage_only_when_asked(
        self,
        sandbox: Sandbox,
        client: stripe.StripeClient,
        price: stripe.Price,
        alice: stripe.Customer,
        outcome: tuple[bool, list[int]],
    ) -> None:
        invoice_now, totals = outcome
        subscription = subscribe(client, alice, price)
        use(client, alice, 501, JAN)
        sandbox.advance(JAN + DAY)
        use(client, alice, 900, JAN + DAY)
        ended = client.v1.subscriptions.cancel(subscription.id, {"invoice_now": invoice_now})
        sandbox.advance(JAN + DAY + HOUR)

        assert (ended.status, ended.ended_at) == ("canceled", JAN + DAY)
        assert [i.total for i in invoices(client, subscription)] == totals
        with pytest.raises(stripe.InvalidRequestError, match="No such subscription"):
            client.v1.subscriptions.cancel(subscription.id)


class TestPreview:
    def test_shows_the_usage_so_far_and_keeps_nothing(
        self,
        sandbox: Sandbox,
        client: stripe.StripeClient,
        price: stripe.Price,
        alice: stripe.Customer,
    ) -> None:
        subscription = subscribe(client, alice, price)
        use(client, alice, 251, JAN)
        preview = client.v1.invoices.create_preview({"subscription": subscription.id})

        assert (preview.total, preview.billing_reason) == (15000, "upcoming")
        assert preview.lines.data[0].quantity == 251
        assert len(sandbox.objects("invoice")) == 1

    @pytest.mark.parametrize("expected", [("recurring", 10000), ("next", 0)])
    def test_prices_what_nobody_has_subscribed_to(
        self,
        sandbox: Sandbox,
        client: stripe.StripeClient,
        price: stripe.Price,
        alice: stripe.Customer,
        expected: tuple[str, int],
    ) -> None:
        mode, total = expected
        preview = client.v1.invoices.create_preview(
            {
                "customer": alice.id,
                "preview_mode": mode,
                "subscription_details": {"items": [{"price": price.id}]},
            }
        )

        assert preview.total == total
        assert sandbox.objects("subscription") == []


class TestItems:
    def test_are_listed(
        self, client: stripe.StripeClient, price: stripe.Price, alice: stripe.Customer
    ) -> None:
        subscription = subscribe(client, alice, price)
        listed = client.v1.subscription_items.list({"subscription": subscription.id}).data

        assert [item.price.id for item in listed] == [price.id]
        assert client.v1.subscription_items.retrieve(listed[0].id).current_period_end == FEB

    def test_of_a_licensed_price_are_billed_in_advance(
        self,
        sandbox: Sandbox,
        client: stripe.StripeClient,
        price: stripe.Price,
        alice: stripe.Customer,
    ) -> None:
        seat = client.v1.prices.create(
            {
                "currency": "usd",
                "product_data": {"name": "Seat"},
                "unit_amount": 500,
                "recurring": {"interval": "month"},
            }
        )
        subscription = client.v1.subscriptions.create(
            {
                "customer": alice.id,
                "items": [{"price": price.id}, {"price": seat.id, "quantity": 3}],
            }
        )
        use(client, alice, 251, JAN)
        sandbox.advance(FEB)
        cycle, first = invoices(client, subscription)

        assert (first.total, first.status) == (1500, "paid")
        assert [line.amount for line in cycle.lines.data] == [15000, 1500]
        assert [line.period.start for line in cycle.lines.data] == [JAN, FEB]
