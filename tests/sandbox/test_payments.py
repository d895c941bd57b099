"""Payments that fail: retries, what becomes of the subscription, recovery with a new card."""

import pytest
import requests
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
    subscribe,
)
from tests.stripe_sandbox import Sandbox

HOUR = 3600
DUE = FEB + HOUR


@pytest.fixture
def customer(client: stripe.StripeClient) -> stripe.Customer:
    return make_customer(client, card="pm_card_chargeCustomerFail")


@pytest.fixture
def subscription(client: stripe.StripeClient, customer: stripe.Customer) -> stripe.Subscription:
    return subscribe(client, customer, make_price(client, make_meter(client)))


def status(client: stripe.StripeClient, subscription: stripe.Subscription) -> str:
    return client.v1.subscriptions.retrieve(subscription.id).status


def seat(client: stripe.StripeClient) -> stripe.Price:
    """Create a price that is paid in advance."""
    return client.v1.prices.create(
        {
            "currency": "usd",
            "product_data": {"name": "Seat"},
            "unit_amount": 3000,
            "recurring": {"interval": "month"},
        }
    )


class TestRetries:
    def test_come_on_the_days_of_the_schedule_and_say_when_the_next_is(
        self,
        sandbox: Sandbox,
        client: stripe.StripeClient,
        subscription: stripe.Subscription,
    ) -> None:
        sandbox.advance(DUE)
        first = invoices(client, subscription)[0]
        sandbox.advance(DUE + 15 * DAY)

        failed = [
            (event["created"], event["data"]["object"]["next_payment_attempt"])
            for event in sandbox.objects("event")
            if event["type"] == "invoice.payment_failed"
        ]
        assert first.next_payment_attempt == DUE + 3 * DAY
        assert failed == [
            (DUE, DUE + 3 * DAY),
            (DUE + 3 * DAY, DUE + 8 * DAY),
            (DUE + 8 * DAY, DUE + 15 * DAY),
            (DUE + 15 * DAY, None),
        ]
        assert invoices(client, subscription)[0].attempt_count == 4

    @pytest.mark.parametrize(
        ("switch", "ends"), [("cancel", "canceled"), ("unpaid", "unpaid"), ("past_due", "past_due")]
    )
    def test_end_as_the_account_is_set(
        self,
        sandbox: Sandbox,
        client: stripe.StripeClient,
        subscription: stripe.Subscription,
        switch: str,
        ends: str,
    ) -> None:
        sandbox.switches.after_retries = switch
        sandbox.advance(DUE + 15 * DAY - 1)
        before = status(client, subscription)
        sandbox.advance(DUE + 15 * DAY)

        assert (before, status(client, subscription)) == ("past_due", ends)
        assert invoices(client, subscription)[0].status == "open"
        reason = client.v1.subscriptions.retrieve(subscription.id).cancellation_details
        assert reason
        assert reason.reason == ("payment_failed" if switch == "cancel" else None)

    def test_are_not_counted_when_made_by_hand(
        self,
        sandbox: Sandbox,
        client: stripe.StripeClient,
        subscription: stripe.Subscription,
    ) -> None:
        sandbox.advance(DUE)
        owed = invoices(client, subscription)[0]
        with pytest.raises(stripe.CardError):
            client.v1.invoices.pay(owed.id)
        after = client.v1.invoices.retrieve(owed.id)

        assert (after.attempt_count, after.next_payment_attempt) == (1, DUE + 3 * DAY)


class TestRecovery:
    def test_comes_with_the_next_retry_after_a_new_card(
        self,
        sandbox: Sandbox,
        client: stripe.StripeClient,
        customer: stripe.Customer,
        subscription: stripe.Subscription,
    ) -> None:
        sandbox.advance(DUE + DAY)
        method = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
        client.v1.customers.update(
            customer.id, {"invoice_settings": {"default_payment_method": method.id}}
        )
        sandbox.advance(DUE + 3 * DAY - 1)
        waiting = status(client, subscription)
        sandbox.advance(DUE + 3 * DAY)
        paid = invoices(client, subscription)[0]

        assert (waiting, status(client, subscription)) == ("past_due", "active")
        assert (paid.status, paid.next_payment_attempt) == ("paid", None)
        assert paid.status_transitions.paid_at == DUE + 3 * DAY

    def test_of_an_unpaid_subscription_comes_with_payment_by_hand(
        self,
        sandbox: Sandbox,
        client: stripe.StripeClient,
        subscription: stripe.Subscription,
    ) -> None:
        sandbox.switches.after_retries = "unpaid"
        sandbox.advance(MAR + HOUR)
        newest, owed = invoices(client, subscription)[:2]
        assert owed.hosted_invoice_url
        answer = requests.post(owed.hosted_invoice_url, data={"action": "pay 4242"}, timeout=5)

        assert (newest.status, newest.auto_advance) == ("draft", False)
        assert answer.status_code == 200
        assert (client.v1.invoices.retrieve(owed.id).status) == "paid"
        assert status(client, subscription) == "active"

    def test_is_refused_to_a_declined_card_on_the_invoice_page(
        self,
        sandbox: Sandbox,
        client: stripe.StripeClient,
        subscription: stripe.Subscription,
    ) -> None:
        sandbox.advance(DUE)
        url = invoices(client, subscription)[0].hosted_invoice_url
        assert url
        answers = [
            requests.post(url, data={"action": f"pay {card}"}, timeout=5)
            for card in ("0002", "0341")
        ]

        assert [answer.status_code for answer in answers] == [402, 402]
        assert "Your card was declined." in answers[0].text
        assert status(client, subscription) == "past_due"


class TestFirstPayment:
    def test_that_fails_leaves_the_subscription_incomplete_for_a_day(
        self, sandbox: Sandbox, client: stripe.StripeClient, customer: stripe.Customer
    ) -> None:
        subscription = client.v1.subscriptions.create(
            {"customer": customer.id, "items": [{"price": seat(client).id, "quantity": 1}]}
        )
        owed = invoices(client, subscription)[0]
        sandbox.advance(JAN + 23 * HOUR - 1)
        before = status(client, subscription)
        sandbox.advance(JAN + 23 * HOUR)

        assert (subscription.status, before) == ("incomplete", "incomplete")
        assert owed.next_payment_attempt is None
        assert status(client, subscription) == "incomplete_expired"
        assert client.v1.invoices.retrieve(owed.id).status == "void"
        assert sandbox.next_at() is None

    def test_can_be_made_up_for(
        self, sandbox: Sandbox, client: stripe.StripeClient, customer: stripe.Customer
    ) -> None:
        subscription = client.v1.subscriptions.create(
            {"customer": customer.id, "items": [{"price": seat(client).id, "quantity": 1}]}
        )
        url = invoices(client, subscription)[0].hosted_invoice_url
        assert url
        requests.post(url, data={"action": "pay 4242"}, timeout=5)

        assert status(client, subscription) == "active"

    def test_that_fails_makes_nothing_if_so_asked(
        self, sandbox: Sandbox, client: stripe.StripeClient, customer: stripe.Customer
    ) -> None:
        with pytest.raises(stripe.CardError):
            client.v1.subscriptions.create(
                {
                    "customer": customer.id,
                    "items": [{"price": seat(client).id, "quantity": 1}],
                    "payment_behavior": "error_if_incomplete",
                }
            )

        assert sandbox.objects("subscription") == []


class TestCancel:
    def test_stops_collecting_what_is_owed(
        self,
        sandbox: Sandbox,
        client: stripe.StripeClient,
        subscription: stripe.Subscription,
    ) -> None:
        sandbox.advance(DUE)
        client.v1.subscriptions.cancel(subscription.id)
        owed = invoices(client, subscription)[0]
        sandbox.advance(DUE + 30 * DAY)

        assert (owed.status, owed.auto_advance, owed.next_payment_attempt) == ("open", False, None)
        assert invoices(client, subscription)[0].attempt_count == 1
        marked = client.v1.invoices.mark_uncollectible(owed.id)
        assert marked.status == "uncollectible"


class TestInvoicePage:
    def test_is_linked_with_a_pdf(
        self,
        sandbox: Sandbox,
        client: stripe.StripeClient,
        subscription: stripe.Subscription,
    ) -> None:
        invoice = invoices(client, subscription)[0]
        assert invoice.hosted_invoice_url
        assert invoice.invoice_pdf
        page = requests.get(invoice.hosted_invoice_url, timeout=5)
        pdf = requests.get(invoice.invoice_pdf, timeout=5)

        assert invoice.invoice_pdf in page.text
        assert pdf.headers["Content-Type"] == "application/pdf"
        assert pdf.content.startswith(b"%PDF-1.4")
        assert f"Invoice {invoice.number}".encode() in pdf.content


class TestYear:
    def test_of_failures_keeps_every_invoice_apart(
        self, sandbox: Sandbox, client: stripe.StripeClient, subscription: stripe.Subscription
    ) -> None:
        sandbox.switches.after_retries = "past_due"
        sandbox.advance(instant(2026, 6, 1))

        owed = client.v1.invoices.list({"subscription": subscription.id, "status": "open"}).data
        assert [invoice.attempt_count for invoice in owed] == [4, 4, 4, 4]
        assert {invoice.total for invoice in owed} == {10000}
