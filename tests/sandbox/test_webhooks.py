"""Webhooks: signed, in order, retried, and delivered without holding the lock."""

import json

import pytest
import stripe

from tests.sandbox.receiving import listen_to, receiver, types
from tests.sandbox.shop import (
    FEB,
    JAN,
    invoices,
    make_customer,
    make_meter,
    make_price,
    subscribe,
    use,
)
from tests.stripe_sandbox import Sandbox


class TestDelivery:
    def test_is_signed_as_stripe_signs(self, sandbox: Sandbox, client: stripe.StripeClient) -> None:
        with receiver(lambda _: 200) as (url, received):
            endpoint = listen_to(client, url)
            assert endpoint.secret
            customer = make_customer(client)
            assert sandbox.courier.drain(5)

        body, signature = received[0]
        event = stripe.Webhook.construct_event(body, signature, endpoint.secret)
        assert (event.type, event.api_version) == ("customer.created", "2026-08-26.dahlia")
        assert event.data.object["id"] == customer.id
        assert event.to_dict()["request"]["idempotency_key"]
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.Webhook.construct_event(body + b" ", signature, endpoint.secret)
        shown = client.v1.webhook_endpoints.retrieve(endpoint.id).to_dict()
        assert "secret" not in shown
        assert client.v1.events.retrieve(event.id).pending_webhooks == 0

    def test_keeps_the_order_and_the_filter(
        self, sandbox: Sandbox, client: stripe.StripeClient
    ) -> None:
        with receiver(lambda _: 200) as (url, received):
            listen_to(client, url, "invoice.created", "invoice.finalized", "invoice.paid")
            price = make_price(client, make_meter(client))
            subscribe(client, make_customer(client, card="pm_card_visa"), price)
            sandbox.advance(FEB + 3600)

        assert types(received) == ["invoice.created", "invoice.finalized", "invoice.paid"] * 2

    def test_is_tried_three_times_and_then_given_up(
        self, sandbox: Sandbox, client: stripe.StripeClient
    ) -> None:
        sandbox.switches.webhook_backoff = (0.0, 0.0)
        with receiver(lambda body: 500 if b"customer.created" in body else 200) as (url, received):
            listen_to(client, url)
            make_customer(client)
            client.v1.products.create({"name": "Pro"})
            assert sandbox.courier.drain(5)

        assert types(received) == ["customer.created"] * 3 + ["product.created"]
        assert [(a.number, a.status) for a in sandbox.courier.attempts] == [
            (1, 500),
            (2, 500),
            (3, 500),
            (1, 200),
        ]

    def test_goes_to_nobody_who_is_disabled_or_gone(
        self, sandbox: Sandbox, client: stripe.StripeClient
    ) -> None:
        with receiver(lambda _: 200) as (url, received):
            first, second = listen_to(client, url), listen_to(client, url)
            client.v1.webhook_endpoints.update(first.id, {"disabled": True})
            client.v1.webhook_endpoints.delete(second.id)
            make_customer(client)
            assert sandbox.courier.drain(5)

        assert received == []

    def test_lets_the_receiver_call_back_and_move_the_finalization(
        self, sandbox: Sandbox, client: stripe.StripeClient
    ) -> None:
        price = make_price(client, make_meter(client))
        customer = make_customer(client, card="pm_card_visa")
        subscription = subscribe(client, customer, price)
        clocks: list[int] = []

        def answer(body: bytes) -> int:
            invoice = json.loads(body)["data"]["object"]
            clocks.append(sandbox.clock.now())
            client.v1.invoices.update(invoice["id"], {"automatically_finalizes_at": FEB + 86400})
            use(client, customer, 501, FEB - 30)
            return 200

        with receiver(answer) as (url, _):
            listen_to(client, url, "invoice.created")
            sandbox.advance(FEB + 2 * 3600)
            held = invoices(client, subscription)[0]

        assert clocks == [FEB]
        assert (held.status, held.total) == ("draft", 20040)


class TestEvents:
    def test_carry_the_previous_values(self, sandbox: Sandbox, client: stripe.StripeClient) -> None:
        price = make_price(client, make_meter(client))
        subscription = subscribe(client, make_customer(client), price)
        client.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
        client.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})

        updates = client.v1.events.list({"type": "customer.subscription.updated"}).data
        assert [update.data.to_dict()["previous_attributes"] for update in updates] == [
            {
                "cancel_at": None,
                "cancel_at_period_end": False,
                "canceled_at": None,
                "cancellation_details": {"reason": None},
            }
        ]

    def test_are_listed_newest_first_and_by_pattern(self, client: stripe.StripeClient) -> None:
        make_meter(client)
        make_customer(client)

        assert [e.type for e in client.v1.events.list({}).data] == [
            "customer.created",
            "billing.meter.created",
        ]
        assert [e.created for e in client.v1.events.list({"type": "customer.*"}).data] == [JAN]
