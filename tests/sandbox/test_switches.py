"""Behavior that Stripe does not document, one way and the other."""

import pytest
import stripe

from tests.sandbox.shop import (
    DAY,
    FEB,
    JAN,
    invoices,
    make_customer,
    make_meter,
    make_price,
    subscribe,
    use,
)
from tests.sandbox.test_meters import total
from tests.stripe_sandbox import Sandbox

HOUR, MINUTE = 3600, 60


@pytest.fixture
def meter(client: stripe.StripeClient) -> stripe.billing.Meter:
    return make_meter(client)


@pytest.fixture
def alice(client: stripe.StripeClient) -> stripe.Customer:
    return make_customer(client, card="pm_card_visa")


@pytest.fixture
def subscription(
    client: stripe.StripeClient, meter: stripe.billing.Meter, alice: stripe.Customer
) -> stripe.Subscription:
    return subscribe(client, alice, make_price(client, meter))


class TestLast:
    @pytest.mark.parametrize(("by", "value"), [("timestamp", 9), ("receipt", 7)])
    def test_is_by_timestamp_or_by_receipt(
        self,
        sandbox: Sandbox,
        client: stripe.StripeClient,
        meter: stripe.billing.Meter,
        alice: stripe.Customer,
        by: str,
        value: int,
    ) -> None:
        sandbox.switches.last_by = by
        use(client, alice, 9, JAN + 120)
        use(client, alice, 7, JAN + 60)

        assert total(client, meter, alice, JAN, JAN + 180) == [value]

    @pytest.mark.parametrize(("ties", "value"), [("last", 7), ("first", 9)])
    def test_takes_either_of_the_same_second(
        self,
        sandbox: Sandbox,
        client: stripe.StripeClient,
        meter: stripe.billing.Meter,
        alice: stripe.Customer,
        ties: str,
        value: int,
    ) -> None:
        sandbox.switches.ties = ties
        use(client, alice, 3, JAN - 60)
        use(client, alice, 9, JAN)
        use(client, alice, 7, JAN)

        assert total(client, meter, alice, JAN - 60, JAN + 60) == [value]


class TestAggregationLag:
    def test_hides_an_event_from_summaries_previews_and_drafts(
        self,
        sandbox: Sandbox,
        client: stripe.StripeClient,
        meter: stripe.billing.Meter,
        alice: stripe.Customer,
        subscription: stripe.Subscription,
    ) -> None:
        sandbox.switches.aggregation_lag_seconds = 20 * MINUTE
        use(client, alice, 300, JAN)

        def seen() -> tuple[float, int | None]:
            preview = client.v1.invoices.create_preview({"subscription": subscription.id})
            (held,) = total(client, meter, alice, JAN, JAN + 60)
            return held, preview.lines.data[0].quantity

        sandbox.advance(JAN + 20 * MINUTE - 1)
        early = seen()
        sandbox.advance(JAN + 20 * MINUTE)
        assert (early, seen()) == ((0, 0), (300, 300))

        sandbox.advance(FEB)
        use(client, alice, 501, FEB - 30)
        assert invoices(client, subscription)[0].total == 15000
        sandbox.advance(FEB + 20 * MINUTE)
        assert invoices(client, subscription)[0].total == 20040

    def test_lets_an_invoice_be_final_without_what_came_too_late(
        self,
        sandbox: Sandbox,
        client: stripe.StripeClient,
        alice: stripe.Customer,
        subscription: stripe.Subscription,
    ) -> None:
        sandbox.switches.aggregation_lag_seconds = 20 * MINUTE
        sandbox.advance(FEB + 41 * MINUTE)
        use(client, alice, 501, FEB - 30)
        sandbox.advance(FEB + HOUR)

        assert invoices(client, subscription)[0].total == 10000


class TestDrafts:
    @pytest.mark.parametrize(("refreshed", "shown"), [("live", 20040), ("finalization", 15000)])
    def test_show_late_usage_at_once_or_only_when_final(
        self,
        sandbox: Sandbox,
        client: stripe.StripeClient,
        alice: stripe.Customer,
        subscription: stripe.Subscription,
        refreshed: str,
        shown: int,
    ) -> None:
        sandbox.switches.drafts_refreshed = refreshed
        use(client, alice, 300, JAN)
        sandbox.advance(FEB + MINUTE)
        use(client, alice, 501, FEB - 30)
        draft = invoices(client, subscription)[0]
        sandbox.advance(FEB + HOUR)
        final = invoices(client, subscription)[0]

        assert (draft.status, draft.total) == ("draft", shown)
        assert (final.status, final.total) == ("paid", 20040)


class TestFinalInvoice:
    @pytest.mark.parametrize(("switch", "status"), [("draft", "draft"), ("immediate", "paid")])
    @pytest.mark.parametrize("now", [True, False])
    def test_waits_or_is_final_at_once(
        self,
        sandbox: Sandbox,
        client: stripe.StripeClient,
        alice: stripe.Customer,
        subscription: stripe.Subscription,
        switch: str,
        status: str,
        now: bool,
    ) -> None:
        sandbox.switches.final_invoice = switch
        use(client, alice, 501, JAN)
        if now:
            sandbox.advance(JAN + DAY)
            client.v1.subscriptions.cancel(subscription.id, {"invoice_now": True})
        else:
            client.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
            sandbox.advance(FEB)
        last = invoices(client, subscription)[0]
        sandbox.advance(FEB + 2 * HOUR)

        assert (last.status, last.total) == (status, 20040)
        assert invoices(client, subscription)[0].status == "paid"
        assert client.v1.subscriptions.retrieve(subscription.id).status == "canceled"
