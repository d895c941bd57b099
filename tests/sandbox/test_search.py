"""Searching: by metadata and members, and only a little after something was made."""

import pytest
import stripe

from tests.sandbox.shop import JAN, make_customer, make_meter, make_price, subscribe
from tests.stripe_sandbox import Sandbox


@pytest.fixture
def products(sandbox: Sandbox, client: stripe.StripeClient) -> list[str]:
    """Create three products, and wait until they can be found."""
    made = [
        client.v1.products.create({"name": name, "metadata": metadata}).id
        for name, metadata in (
            ("Pro", {"plan": "pro"}),
            ("Team", {"plan": "team", "old": "yes"}),
            ("Bare metal", {}),
        )
    ]
    client.v1.products.update(made[1], {"active": False})
    sandbox.advance(JAN + 60)
    return made


class TestSearch:
    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("metadata['plan']:'pro'", [0]),
            ('metadata["plan"]:"pro" OR metadata["plan"]:"team"', [1, 0]),
            ("active:'true' AND metadata['plan']:'team'", []),
            ("active:'false'", [1]),
            ("-active:'true'", [1]),
            ("name~'metal'", [2]),
            ("-metadata['plan']:null", [1, 0]),
            ("metadata['plan']:null", [2]),
            (f"created>{JAN - 1} name:'pro'", [0]),
        ],
    )
    def test_finds(
        self, client: stripe.StripeClient, products: list[str], query: str, found: list[int]
    ) -> None:
        result = client.v1.products.search({"query": query})

        assert [product.id for product in result.data] == [products[index] for index in found]

    @pytest.mark.parametrize(
        "query",
        ["colour:'red'", "name='Pro'", "name:'a' AND name:'b' OR name:'c'", "metadata:'pro'"],
    )
    def test_refuses(self, client: stripe.StripeClient, query: str) -> None:
        with pytest.raises(stripe.InvalidRequestError) as caught:
            client.v1.products.search({"query": query})

        assert caught.value.param == "query"

    def test_does_not_find_at_once_what_was_just_made(
        self, sandbox: Sandbox, client: stripe.StripeClient
    ) -> None:
        client.v1.products.create({"name": "Pro"})
        sandbox.advance(JAN + 59)
        early = client.v1.products.search({"query": "name:'Pro'"}).data
        sandbox.advance(JAN + 60)

        assert early == []
        assert len(client.v1.products.search({"query": "name:'Pro'"}).data) == 1

    def test_comes_in_pages(self, client: stripe.StripeClient, products: list[str]) -> None:
        first = client.v1.products.search({"query": f"created>{JAN - 1}", "limit": 2})

        assert (first.has_more, len(first.data)) == (True, 2)
        assert [product.id for product in first.auto_paging_iter()] == products[::-1]

    def test_serves_the_other_resources(
        self, sandbox: Sandbox, client: stripe.StripeClient
    ) -> None:
        customer = make_customer(client)
        price = make_price(client, make_meter(client), lookup_key="pro")
        subscription = subscribe(client, customer, price, metadata={"organization": "acme"})
        sandbox.advance(JAN + 60)

        by_metadata = client.v1.subscriptions.search({"query": "metadata['organization']:'acme'"})
        assert [found.id for found in by_metadata.data] == [subscription.id]
        assert len(client.v1.customers.search({"query": "name:'acme'"}).data) == 1
        assert len(client.v1.prices.search({"query": "lookup_key:'pro'"}).data) == 1
        invoices = client.v1.invoices.search({"query": f"customer:'{customer.id}' AND total:0"})
        assert len(invoices.data) == 1
