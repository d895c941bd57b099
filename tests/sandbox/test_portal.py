"""The customer portal: what its configuration allows, by the API and on its page."""

from typing import Any

import pytest
import requests
import stripe

from tests.sandbox.shop import (
    FEB,
    JAN,
    make_customer,
    make_meter,
    make_price,
    subscribe,
)
from tests.stripe_sandbox import Sandbox

BACK = "http://127.0.0.1:1/plan"


def configure(client: stripe.StripeClient, **features: Any) -> stripe.billing_portal.Configuration:
    """Create a configuration without plan switching, as the product has it."""
    params: Any = {
        "features": {
            "invoice_history": {"enabled": True},
            "payment_method_update": {"enabled": True},
            "subscription_cancel": {"enabled": True, "mode": "at_period_end"},
            "subscription_update": {"enabled": False},
            **features,
        },
        "metadata": {"purpose": "plans"},
    }
    return client.v1.billing_portal.configurations.create(params)


@pytest.fixture
def customer(client: stripe.StripeClient) -> stripe.Customer:
    return make_customer(client, card="pm_card_chargeCustomerFail")


@pytest.fixture
def subscription(client: stripe.StripeClient, customer: stripe.Customer) -> stripe.Subscription:
    return subscribe(client, customer, make_price(client, make_meter(client)))


def open_portal(
    client: stripe.StripeClient, customer: stripe.Customer, **more: Any
) -> stripe.billing_portal.Session:
    params: Any = {"customer": customer.id, "return_url": BACK, **more}
    return client.v1.billing_portal.sessions.create(params)


def press(session: stripe.billing_portal.Session, action: str) -> requests.Response:
    data = {"action": action}
    return requests.post(session.url, data=data, timeout=5, allow_redirects=False)


class TestConfiguration:
    def test_is_made_listed_and_changed(self, client: stripe.StripeClient) -> None:
        made = configure(client)
        configurations = client.v1.billing_portal.configurations
        changed = configurations.update(made.id, {"metadata": {"purpose": "all"}})
        off = configurations.update(made.id, {"active": False})

        assert (made.is_default, made.features.subscription_update.enabled) == (True, False)
        assert changed.metadata
        assert changed.metadata["purpose"] == "all"
        assert off.active is False
        assert configurations.list({"active": True}).data == []

    def test_names_products_where_plans_can_be_switched(self, client: stripe.StripeClient) -> None:
        with pytest.raises(stripe.InvalidRequestError, match="default_allowed_updates"):
            configure(client, subscription_update={"enabled": True})
        price = make_price(client, make_meter(client))
        switching = {
            "enabled": True,
            "default_allowed_updates": ["price"],
            "products": [{"product": str(price.product), "prices": [price.id]}],
        }

        made = configure(client, subscription_update=switching)

        assert made.features.subscription_update.enabled is True


class TestFlow:
    def test_leads_to_one_thing(
        self,
        client: stripe.StripeClient,
        customer: stripe.Customer,
        subscription: stripe.Subscription,
    ) -> None:
        configure(client)
        session = open_portal(
            client,
            customer,
            flow_data={
                "type": "subscription_cancel",
                "subscription_cancel": {"subscription": subscription.id},
                "after_completion": {"type": "redirect", "redirect": {"return_url": BACK}},
            },
        )
        card = open_portal(client, customer, flow_data={"type": "payment_method_update"})

        assert session.flow
        assert session.flow.subscription_cancel
        assert session.flow.subscription_cancel.subscription == subscription.id
        assert card.flow
        assert (card.flow.type, card.flow.subscription_cancel) == ("payment_method_update", None)
        answer = press(session, f"cancel {subscription.id}")
        assert (answer.status_code, answer.headers["Location"]) == (303, BACK)
        with pytest.raises(stripe.InvalidRequestError, match="cannot be canceled"):
            open_portal(
                client,
                customer,
                flow_data={
                    "type": "subscription_cancel",
                    "subscription_cancel": {"subscription": subscription.id},
                },
            )

    @pytest.mark.parametrize("kind", ["subscription_update", "subscription_cancel"])
    def test_is_refused_where_the_feature_is_off(
        self,
        client: stripe.StripeClient,
        customer: stripe.Customer,
        subscription: stripe.Subscription,
        kind: str,
    ) -> None:
        configure(client, subscription_cancel={"enabled": False})

        with pytest.raises(stripe.InvalidRequestError, match=r"portal configuration is disabled"):
            open_portal(
                client,
                customer,
                flow_data={"type": kind, kind: {"subscription": subscription.id}},
            )


class TestPage:
    def test_leads_back(self, client: stripe.StripeClient, customer: stripe.Customer) -> None:
        with pytest.raises(stripe.InvalidRequestError, match="No configuration"):
            open_portal(client, customer)
        configure(client)
        session = open_portal(client, customer)

        assert f'href="{BACK}"' in requests.get(session.url, timeout=5).text

    def test_cancels_and_thinks_better_of_it(
        self,
        client: stripe.StripeClient,
        customer: stripe.Customer,
        subscription: stripe.Subscription,
    ) -> None:
        configure(client)
        session = open_portal(client, customer)

        press(session, f"cancel {subscription.id}")
        leaving = client.v1.subscriptions.retrieve(subscription.id)
        press(session, f"resume {subscription.id}")
        staying = client.v1.subscriptions.retrieve(subscription.id)

        assert (leaving.cancel_at_period_end, leaving.cancel_at) == (True, FEB)
        assert (staying.cancel_at_period_end, staying.cancel_at) == (False, None)

    def test_changes_the_card_that_is_charged(
        self,
        sandbox: Sandbox,
        client: stripe.StripeClient,
        customer: stripe.Customer,
        subscription: stripe.Subscription,
    ) -> None:
        configure(client)
        session = open_portal(client, customer)
        refused = press(session, "card 0002")
        taken = press(session, "card 4242")
        sandbox.advance(FEB + 3600)

        assert (refused.status_code, taken.status_code) == (402, 303)
        assert "Your card was declined." in refused.text
        assert client.v1.subscriptions.retrieve(subscription.id).status == "active"
        assert [
            m.card and m.card.last4
            for m in client.v1.payment_methods.list({"customer": customer.id}).data
        ] == ["4242", "0341"]

    def test_forbids_what_the_configuration_does(
        self,
        client: stripe.StripeClient,
        customer: stripe.Customer,
        subscription: stripe.Subscription,
    ) -> None:
        configure(
            client,
            subscription_cancel={"enabled": False},
            payment_method_update={"enabled": False},
        )
        session = open_portal(client, customer)
        page = requests.get(session.url, timeout=5).text

        assert "test card" not in page
        assert "Cancel " not in page
        assert press(session, f"cancel {subscription.id}").status_code == 403
        assert press(session, "card 4242").status_code == 403

    def test_cancels_only_what_is_the_customers_own(
        self, client: stripe.StripeClient, subscription: stripe.Subscription
    ) -> None:
        configure(client)
        session = open_portal(client, make_customer(client))

        assert press(session, f"cancel {subscription.id}").status_code == 404
        assert client.v1.subscriptions.retrieve(subscription.id).cancel_at is None


class TestHistory:
    def test_links_the_invoices(
        self,
        client: stripe.StripeClient,
        customer: stripe.Customer,
        subscription: stripe.Subscription,
    ) -> None:
        configure(client)
        page = requests.get(open_portal(client, customer).url, timeout=5).text
        invoice = client.v1.invoices.list({"customer": customer.id}).data[0]

        assert invoice.created == JAN
        assert f'href="{invoice.hosted_invoice_url}"' in page
