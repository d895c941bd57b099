"""Keys, errors, lists, expansion and idempotency, as a client of Stripe meets them."""

from decimal import Decimal

import pytest
import requests
import stripe

from tests.sandbox import shop
from tests.sandbox.shop import KEY, make_client, make_customer
from tests.stripe_sandbox import Sandbox


def post(sandbox: Sandbox, path: str, body: str, **headers: str) -> requests.Response:
    """Send a raw body, which the client would not let through."""
    sent = {"Authorization": f"Bearer {KEY}", **headers}
    sent["Content-Type"] = "application/x-www-form-urlencoded"
    return requests.post(sandbox.url + path, data=body, headers=sent, timeout=5)


class TestKeys:
    @pytest.mark.parametrize("key", ["sk_live_" + "a" * 24, "rk_live_" + "a" * 24])
    def test_refuses_live_keys(self, sandbox: Sandbox, key: str) -> None:
        with pytest.raises(stripe.AuthenticationError, match="This is a sandbox"):
            make_client(sandbox, key).v1.customers.create({})

        assert sandbox.objects("customer") == []
        assert key not in str(sandbox.requests[-1])

    def test_refuses_a_missing_key(self, sandbox: Sandbox) -> None:
        answer = requests.get(f"{sandbox.url}/v1/customers", timeout=5)

        assert answer.status_code == 401
        assert answer.json()["error"]["type"] == "invalid_request_error"

    def test_takes_the_key_as_basic_user_too(self, sandbox: Sandbox) -> None:
        assert requests.get(f"{sandbox.url}/v1/account", auth=(KEY, ""), timeout=5).ok


class TestErrors:
    def test_names_an_unknown_parameter(self, sandbox: Sandbox) -> None:
        answer = post(sandbox, "/v1/customers", "name=Acme&invoice_settings[colour]=red")

        error = answer.json()["error"]
        assert answer.status_code == 400
        assert error["code"] == "parameter_unknown"
        assert error["param"] == "invoice_settings[colour]"
        assert error["message"] == "Received unknown parameter: invoice_settings[colour]"
        assert error["doc_url"] == "https://stripe.com/docs/error-codes/parameter-unknown"
        assert answer.headers["Request-Id"] in error["request_log_url"]
        assert answer.headers["Stripe-Version"] == "2026-08-26.dahlia"

    @pytest.mark.parametrize(
        ("path", "body", "code", "param"),
        [
            ("/v1/products", "active=true", "parameter_missing", "name"),
            (
                "/v1/prices",
                "currency=usd&unit_amount=x",
                "parameter_invalid_integer",
                "unit_amount",
            ),
            ("/v1/products", "name=", "parameter_invalid_empty", "name"),
            ("/v1/products", "name=Pro&active=yes", None, "active"),
            ("/v1/products", "name[0]=Pro", None, "name"),
            ("/v1/prices", "currency=usd&recurring=month", None, "recurring"),
            ("/v1/prices", "currency=usd&recurring[interval]=aeon", None, "recurring[interval]"),
            (
                "/v1/prices",
                "currency=usd&tiers[0][flat_amount]=1",
                "parameter_missing",
                "tiers[0][up_to]",
            ),
            ("/v1/subscriptions", "customer=cus_1&items=x", None, "items"),
        ],
    )
    def test_refuses_what_is_missing_or_of_the_wrong_type(
        self, sandbox: Sandbox, path: str, body: str, code: str | None, param: str
    ) -> None:
        answer = post(sandbox, path, body)

        assert answer.status_code == 400
        assert answer.json()["error"].get("code") == code
        assert answer.json()["error"]["param"] == param

    @pytest.mark.parametrize(
        "path",
        [
            "customers/cus_x",
            "subscriptions/sub_x",
            "invoices/in_x",
            "prices/price_x",
            "products/prod_x",
            "billing/meters/mtr_x",
            "checkout/sessions/cs_x",
            "events/evt_x",
            "payment_methods/pm_x",
        ],
    )
    def test_does_not_know_an_unknown_id(self, sandbox: Sandbox, path: str) -> None:
        answer = requests.get(f"{sandbox.url}/v1/{path}", auth=(KEY, ""), timeout=5)

        assert answer.status_code == 404
        assert answer.json()["error"]["code"] == "resource_missing"
        assert answer.json()["error"]["param"] == "id"

    def test_refuses_an_unknown_id_in_a_parameter(self, client: stripe.StripeClient) -> None:
        with pytest.raises(stripe.InvalidRequestError, match="No such customer") as caught:
            client.v1.billing_portal.sessions.create({"customer": "cus_x"})

        assert (caught.value.http_status, caught.value.param) == (400, "customer")

    def test_says_that_a_url_is_not_served(self, sandbox: Sandbox) -> None:
        answer = requests.get(f"{sandbox.url}/v1/issuing/cards", auth=(KEY, ""), timeout=5)

        assert answer.status_code == 404
        assert "Unrecognized request URL" in answer.json()["error"]["message"]


class TestLists:
    def test_pages_newest_first(self, client: stripe.StripeClient) -> None:
        made = [client.v1.products.create({"name": f"P{n}"}).id for n in range(5)]

        first = client.v1.products.list({"limit": 2})
        second = client.v1.products.list({"limit": 3, "starting_after": first.data[-1].id})
        back = client.v1.products.list({"limit": 2, "ending_before": second.data[-1].id})

        assert [p.id for p in first.data] == made[:2:-1]
        assert (first.has_more, second.has_more) == (True, False)
        assert [p.id for p in second.data] == made[2::-1]
        assert [p.id for p in back.data] == made[2:0:-1]
        assert [p.id for p in client.v1.products.list({"limit": 2}).auto_paging_iter()] == made[
            ::-1
        ]

    def test_refuses_a_limit_over_a_hundred(self, client: stripe.StripeClient) -> None:
        with pytest.raises(stripe.InvalidRequestError, match="less than or equal to 100"):
            client.v1.products.list({"limit": 101})


class TestExpand:
    def test_replaces_ids_by_objects(self, client: stripe.StripeClient) -> None:
        price = shop.make_price(client, shop.make_meter(client))
        subscription = shop.subscribe(client, make_customer(client), price)

        found = client.v1.subscriptions.retrieve(
            subscription.id,
            {"expand": ["customer", "latest_invoice.lines", "items.data.price.tiers"]},
        )

        assert found.to_dict()["customer"]["name"] == "Acme"
        assert found.to_dict()["latest_invoice"]["object"] == "invoice"
        assert found["items"].data[0].price.to_dict()["tiers"][-1]["up_to"] is None

    def test_reaches_into_lists(self, client: stripe.StripeClient) -> None:
        shop.make_price(client, shop.make_meter(client))

        plain = client.v1.prices.list({}).data[0]
        found = client.v1.prices.list({"expand": ["data.product", "data.tiers"]}).data[0]

        assert isinstance(plain.product, str)
        assert "tiers" not in plain.to_dict()
        assert found.to_dict()["product"]["name"] == "Pro"
        assert len(found.to_dict()["tiers"]) == 4

    @pytest.mark.parametrize("path", ["name", "nonsense", "a.b.c.d.e"])
    def test_refuses_what_cannot_be_expanded(self, client: stripe.StripeClient, path: str) -> None:
        customer = make_customer(client)

        with pytest.raises(stripe.InvalidRequestError, match="expand"):
            client.v1.customers.retrieve(customer.id, {"expand": [path]})


class TestMetadata:
    def test_is_merged_key_by_key(self, client: stripe.StripeClient) -> None:
        customer = client.v1.customers.create({"metadata": {"a": "1", "0": "2"}})

        client.v1.customers.update(customer.id, {"metadata": {"a": "", "b": "3"}})
        merged = client.v1.customers.retrieve(customer.id).to_dict()["metadata"]
        cleared = client.v1.customers.update(customer.id, {"metadata": ""})

        assert merged == {"0": "2", "b": "3"}
        assert cleared.to_dict()["metadata"] == {}


class TestIdempotency:
    def test_replays_the_first_answer(self, sandbox: Sandbox) -> None:
        headers = {"Idempotency-Key": "once"}
        first = post(sandbox, "/v1/customers", "name=Acme", **headers)
        second = post(sandbox, "/v1/customers", "name=Acme", **headers)

        assert second.json() == first.json()
        assert "Idempotent-Replayed" not in first.headers
        assert [request.applied for request in sandbox.requests] == [True, False]
        assert second.headers["Idempotent-Replayed"] == "true"
        assert len(sandbox.objects("customer")) == 1

    def test_refuses_other_parameters(self, client: stripe.StripeClient) -> None:
        client.v1.customers.create({"name": "Acme"}, {"idempotency_key": "once"})

        with pytest.raises(stripe.IdempotencyError, match="same parameters"):
            client.v1.customers.create({"name": "Globex"}, {"idempotency_key": "once"})

    def test_replays_a_refusal_of_a_handler_but_not_of_a_parameter(self, sandbox: Sandbox) -> None:
        for _ in range(2):
            late = post(sandbox, "/v1/subscriptions/sub_x", "", **{"Idempotency-Key": "late"})
        for _ in range(2):
            early = post(sandbox, "/v1/products", "", **{"Idempotency-Key": "early"})

        assert late.headers.get("Idempotent-Replayed") == "true"
        assert "Idempotent-Replayed" not in early.headers

    def test_forgets_a_key_after_a_day(self, sandbox: Sandbox, client: stripe.StripeClient) -> None:
        first = client.v1.customers.create({}, {"idempotency_key": "once"})
        sandbox.advance(shop.JAN + shop.DAY + 1)

        assert client.v1.customers.create({}, {"idempotency_key": "once"}).id != first.id


class TestCatalog:
    def test_keeps_amounts_as_integers_and_decimals(self, client: stripe.StripeClient) -> None:
        product = client.v1.products.create({"name": "Metrics"})
        price = client.v1.prices.create(
            {"currency": "usd", "product": product.id, "unit_amount_decimal": Decimal("0.50")}
        )

        found = price.to_dict(for_json=True)
        assert (found["unit_amount"], found["unit_amount_decimal"]) == (None, "0.5")
        assert found["type"] == "one_time"

    def test_gives_a_lookup_key_to_one_price(self, client: stripe.StripeClient) -> None:
        meter = shop.make_meter(client)
        first = shop.make_price(client, meter, lookup_key="pro")

        with pytest.raises(stripe.InvalidRequestError, match="lookup key"):
            shop.make_price(client, meter, lookup_key="pro")
        second = shop.make_price(client, meter, lookup_key="pro", transfer_lookup_key=True)

        assert [p.id for p in client.v1.prices.list({"lookup_keys": ["pro"]}).data] == [second.id]
        assert client.v1.prices.retrieve(first.id).lookup_key is None

    def test_refuses_a_ladder_without_an_end(self, client: stripe.StripeClient) -> None:
        with pytest.raises(stripe.InvalidRequestError, match="up_to inf"):
            shop.make_price(
                client, shop.make_meter(client), tiers=[{"up_to": 10, "unit_amount": 1}]
            )

    def test_has_no_features(self, client: stripe.StripeClient) -> None:
        product = client.v1.products.create({"name": "Pro"})

        assert client.v1.products.features.list(product.id).data == []

    def test_deletes_a_customer_with_its_subscriptions(self, client: stripe.StripeClient) -> None:
        customer = make_customer(client)
        price = shop.make_price(client, shop.make_meter(client))
        subscription = shop.subscribe(client, customer, price)

        client.v1.customers.delete(customer.id)

        assert client.v1.customers.retrieve(customer.id).to_dict()["deleted"] is True
        assert client.v1.subscriptions.retrieve(subscription.id).status == "canceled"
        assert client.v1.customers.list({}).data == []
