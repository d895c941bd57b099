"""Checkout: sessions by the API, completed by a plain form."""

import re
from typing import Any

import pytest
import requests
import stripe

from tests.sandbox.shop import DAY, JAN, make_customer, make_meter, make_price
from tests.sandbox.test_payments import seat
from tests.stripe_sandbox import Sandbox


@pytest.fixture
def price(client: stripe.StripeClient) -> stripe.Price:
    return make_price(client, make_meter(client))


def open_session(
    client: stripe.StripeClient, price: stripe.Price, **more: Any
) -> stripe.checkout.Session:
    params: Any = {
        "mode": "subscription",
        "line_items": [{"price": price.id}],
        "success_url": "http://127.0.0.1:1/done?session={CHECKOUT_SESSION_ID}",
        "cancel_url": "http://127.0.0.1:1/back",
        **more,
    }
    return client.v1.checkout.sessions.create(params)


def press(session: stripe.checkout.Session, **form: str) -> requests.Response:
    assert session.url
    return requests.post(session.url, data=form, timeout=5, allow_redirects=False)


class TestCreate:
    def test_gives_a_page_to_go_to(
        self, sandbox: Sandbox, client: stripe.StripeClient, price: stripe.Price
    ) -> None:
        session = open_session(client, price, client_reference_id="acme", metadata={"a": "b"})

        assert session.url == f"{sandbox.url}/c/pay/{session.id}"
        assert (session.status, session.payment_status) == ("open", "unpaid")
        assert (session.client_reference_id, session.expires_at) == ("acme", JAN + DAY)

    def test_refuses_a_quantity_of_a_metered_price(
        self, client: stripe.StripeClient, price: stripe.Price
    ) -> None:
        with pytest.raises(stripe.InvalidRequestError, match="usage_type is `metered`"):
            open_session(client, price, line_items=[{"price": price.id, "quantity": 1}])

    def test_refuses_an_unknown_price(
        self, client: stripe.StripeClient, price: stripe.Price
    ) -> None:
        with pytest.raises(stripe.InvalidRequestError, match="No such price"):
            open_session(client, price, line_items=[{"price": "price_x"}])


class TestPage:
    def test_completes_by_a_plain_form(
        self, sandbox: Sandbox, client: stripe.StripeClient, price: stripe.Price
    ) -> None:
        customer = make_customer(client)
        session = open_session(
            client,
            price,
            customer=customer.id,
            subscription_data={"trial_period_days": 14, "metadata": {"organization": "acme"}},
        )
        assert session.url
        page = requests.get(session.url, timeout=5).text
        form = re.search(r'<form method="post" action="([^"]+)">', page)
        assert form
        answer = requests.post(
            sandbox.url + form[1], data={"card": "4242"}, timeout=5, allow_redirects=False
        )
        done = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["subscription"]})
        subscription = done.to_dict()["subscription"]

        assert "Free trial: 14 days" in page
        assert "Pay with the test card 4242" in page
        assert 'href="http://127.0.0.1:1/back"' in page
        assert "<script" not in page
        assert answer.status_code == 303
        assert answer.headers["Location"] == f"http://127.0.0.1:1/done?session={session.id}"
        assert (done.status, done.payment_status) == ("complete", "no_payment_required")
        assert done.url is None
        assert (subscription["status"], subscription["customer"]) == ("trialing", customer.id)
        assert subscription["metadata"] == {"organization": "acme"}
        method = client.v1.payment_methods.retrieve(subscription["default_payment_method"])
        assert (method.customer, method.card and method.card.last4) == (customer.id, "4242")
        assert [event["type"] for event in sandbox.objects("event")][-7:] == [
            "payment_method.attached",
            "invoice.created",
            "customer.subscription.created",
            "invoice.finalized",
            "invoice.paid",
            "invoice.payment_succeeded",
            "checkout.session.completed",
        ]

    def test_completes_once(
        self, sandbox: Sandbox, client: stripe.StripeClient, price: stripe.Price
    ) -> None:
        session = open_session(client, price, customer_email="bob@example.com")
        answers = [press(session, card="4242") for _ in range(2)]

        assert [answer.status_code for answer in answers] == [303, 303]
        assert len(sandbox.objects("subscription")) == 1
        assert [customer["email"] for customer in sandbox.objects("customer")] == [
            "bob@example.com"
        ]

    def test_asks_for_consent(
        self, sandbox: Sandbox, client: stripe.StripeClient, price: stripe.Price
    ) -> None:
        session = open_session(client, price, consent_collection={"terms_of_service": "required"})
        refused = press(session, card="4242")
        accepted = press(session, card="4242", terms="accepted")
        consent = client.v1.checkout.sessions.retrieve(session.id).consent

        assert (refused.status_code, accepted.status_code) == (422, 303)
        assert 'role="alert"' in refused.text
        assert consent
        assert consent.terms_of_service == "accepted"

    @pytest.mark.parametrize(("collection", "status"), [("always", 422), ("if_required", 303)])
    def test_starts_without_a_card_only_if_none_is_required(
        self, client: stripe.StripeClient, price: stripe.Price, collection: str, status: int
    ) -> None:
        session = open_session(
            client,
            price,
            payment_method_collection=collection,
            subscription_data={"trial_period_days": 14},
        )

        assert press(session, card="none").status_code == status

    def test_declines_a_card_and_can_be_tried_again(
        self, sandbox: Sandbox, client: stripe.StripeClient, price: stripe.Price
    ) -> None:
        session = open_session(client, price)
        declined = press(session, card="0002")
        made = sandbox.objects("subscription") + sandbox.objects("customer")

        assert declined.status_code == 402
        assert "Your card was declined." in declined.text
        assert made == []
        assert press(session, card="4242").status_code == 303

    def test_declines_the_failing_card_when_something_is_due_now(
        self, client: stripe.StripeClient, price: stripe.Price
    ) -> None:
        seats = [{"price": price.id}, {"price": seat(client).id, "quantity": 1}]

        assert press(open_session(client, price, line_items=seats), card="0341").status_code == 402
        assert press(open_session(client, price), card="0341").status_code == 303

    def test_of_several_open_ones_completes_each(
        self, sandbox: Sandbox, client: stripe.StripeClient, price: stripe.Price
    ) -> None:
        customer = make_customer(client)
        first, second, third = (open_session(client, price, customer=customer.id) for _ in range(3))
        client.v1.checkout.sessions.expire(second.id)
        press(first, card="4242")
        sessions = client.v1.checkout.sessions.list({"customer": customer.id, "status": "open"})

        assert [session.id for session in sessions.data] == [third.id]
        assert press(second, card="4242").status_code == 410
        assert press(third, card="4242").status_code == 303
        assert len(sandbox.objects("subscription")) == 2

    def test_escapes_what_it_shows(self, client: stripe.StripeClient, price: stripe.Price) -> None:
        client.v1.products.update(str(price.product), {"name": "<b>Pro</b>"})
        session = open_session(client, price)
        assert session.url

        assert "&lt;b&gt;Pro" in requests.get(session.url, timeout=5).text


class TestExpiry:
    def test_comes_by_itself(
        self, sandbox: Sandbox, client: stripe.StripeClient, price: stripe.Price
    ) -> None:
        session = open_session(client, price)
        assert sandbox.next_at() == JAN + DAY
        sandbox.advance(JAN + DAY)

        assert client.v1.checkout.sessions.retrieve(session.id).status == "expired"
        assert press(session, card="4242").status_code == 410
        assert sandbox.objects("subscription") == []

    def test_can_be_asked_for_once(self, client: stripe.StripeClient, price: stripe.Price) -> None:
        session = open_session(client, price)

        assert client.v1.checkout.sessions.expire(session.id).status == "expired"
        with pytest.raises(stripe.InvalidRequestError, match="can be expired"):
            client.v1.checkout.sessions.expire(session.id)
