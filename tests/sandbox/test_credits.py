"""Credit grants, credit notes and the customer's balance."""

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
    subscribe,
    use,
)
from tests.stripe_sandbox import Sandbox

HOUR = 3600


@pytest.fixture
def alice(client: stripe.StripeClient) -> stripe.Customer:
    return make_customer(client, card="pm_card_visa")


@pytest.fixture
def subscription(client: stripe.StripeClient, alice: stripe.Customer) -> stripe.Subscription:
    return subscribe(client, alice, make_price(client, make_meter(client)))


def grant(
    client: stripe.StripeClient, customer: stripe.Customer, cents: int, **more: Any
) -> stripe.billing.CreditGrant:
    params: Any = {
        "customer": customer.id,
        "category": "promotional",
        "amount": {"type": "monetary", "monetary": {"currency": "usd", "value": cents}},
        "applicability_config": {"scope": {"price_type": "metered"}},
        **more,
    }
    return client.v1.billing.credit_grants.create(params)


class TestCreditGrant:
    def test_pays_for_metered_lines_until_it_is_spent(
        self,
        sandbox: Sandbox,
        client: stripe.StripeClient,
        alice: stripe.Customer,
        subscription: stripe.Subscription,
    ) -> None:
        grant(client, alice, 12000)
        preview = client.v1.invoices.create_preview({"subscription": subscription.id})
        sandbox.advance(FEB + HOUR)
        first = invoices(client, subscription)[0]
        sandbox.advance(MAR + HOUR)
        second = invoices(client, subscription)[0]

        assert (preview.subtotal, preview.total) == (10000, 0)
        assert (first.subtotal, first.total, first.amount_paid) == (10000, 0, 0)
        assert (second.subtotal, second.total, second.amount_paid) == (10000, 8000, 8000)
        assert [c.amount for c in second.lines.data[0].pretax_credit_amounts or []] == [2000]

    @pytest.mark.parametrize(
        ("more", "total"),
        [
            ({"expires_at": FEB}, 9000),
            ({"expires_at": FEB - 1}, 10000),
            ({"effective_at": FEB}, 10000),
        ],
    )
    def test_has_to_be_in_effect_at_the_end_of_the_period(
        self,
        sandbox: Sandbox,
        client: stripe.StripeClient,
        alice: stripe.Customer,
        subscription: stripe.Subscription,
        more: dict[str, int],
        total: int,
    ) -> None:
        grant(client, alice, 1000, **more)
        sandbox.advance(FEB + HOUR)

        assert invoices(client, subscription)[0].total == total

    def test_can_be_voided_expired_and_extended(
        self,
        sandbox: Sandbox,
        client: stripe.StripeClient,
        alice: stripe.Customer,
        subscription: stripe.Subscription,
    ) -> None:
        grants = client.v1.billing.credit_grants
        voided = grants.void_grant(grant(client, alice, 1).id)
        expired = grants.expire(grant(client, alice, 2).id)
        kept = grants.update(
            grant(client, alice, 4).id, {"expires_at": MAR, "metadata": {"a": "b"}}
        )
        sandbox.advance(FEB + HOUR)

        assert (voided.voided_at, expired.expires_at, kept.expires_at) == (JAN, JAN, MAR)
        assert invoices(client, subscription)[0].total == 9996
        assert [g.amount.monetary and g.amount.monetary.value for g in grants.list({}).data] == [
            4,
            2,
            1,
        ]
        with pytest.raises(stripe.InvalidRequestError, match="voided or expired"):
            grants.expire(voided.id)

    def test_cannot_begin_in_the_past(
        self, client: stripe.StripeClient, alice: stripe.Customer
    ) -> None:
        with pytest.raises(stripe.InvalidRequestError, match="in the past"):
            grant(client, alice, 1, effective_at=JAN - 1)

    def test_is_spent_by_priority_then_by_expiry(
        self,
        sandbox: Sandbox,
        client: stripe.StripeClient,
        alice: stripe.Customer,
        subscription: stripe.Subscription,
    ) -> None:
        late = grant(client, alice, 9000, expires_at=MAR + DAY)
        soon = grant(client, alice, 9000, expires_at=FEB + DAY)
        sandbox.advance(FEB + HOUR)
        left = {g["id"]: g.get("_left") for g in sandbox.objects("billing.credit_grant")}

        assert left == {late.id: 8000, soon.id: 0}


class TestCreditNote:
    @pytest.fixture
    def paid(
        self,
        sandbox: Sandbox,
        client: stripe.StripeClient,
        alice: stripe.Customer,
        subscription: stripe.Subscription,
    ) -> stripe.Invoice:
        use(client, alice, 376, JAN)
        sandbox.advance(FEB + HOUR)
        return invoices(client, subscription)[0]

    def test_refunds_a_part_of_a_paid_invoice_and_never_more_than_its_total(
        self, client: stripe.StripeClient, paid: stripe.Invoice
    ) -> None:
        note = client.v1.credit_notes.create(
            {
                "invoice": paid.id,
                "amount": 5000,
                "refund_amount": 5000,
                "reason": "order_change",
                "metadata": {"statement": "7"},
            }
        )
        with pytest.raises(stripe.InvalidRequestError, match=r"greater than .* \(15000\)"):
            client.v1.credit_notes.create(
                {"invoice": paid.id, "amount": 15001, "refund_amount": 15001}
            )
        after = client.v1.invoices.retrieve(paid.id)

        assert (note.type, note.total, note.status) == ("post_payment", 5000, "issued")
        assert note.number == f"{paid.number}-CN-01"
        assert [refund.amount_refunded for refund in note.refunds] == [5000]
        assert (after.total, after.post_payment_credit_notes_amount) == (20000, 5000)
        listed = client.v1.credit_notes.list({"invoice": paid.id}).data
        assert [(n.id, n.metadata and n.metadata["statement"]) for n in listed] == [(note.id, "7")]

    def test_names_where_the_amount_goes(
        self, client: stripe.StripeClient, paid: stripe.Invoice
    ) -> None:
        with pytest.raises(stripe.InvalidRequestError, match="must equal the credit note amount"):
            client.v1.credit_notes.create({"invoice": paid.id, "amount": 5000})
        with pytest.raises(stripe.InvalidRequestError, match="exactly one of amount and lines"):
            client.v1.credit_notes.create({"invoice": paid.id})

    def test_can_name_lines(self, client: stripe.StripeClient, paid: stripe.Invoice) -> None:
        line = paid.lines.data[0]
        given: Any = {"type": "invoice_line_item", "invoice_line_item": line.id, "amount": 5000}
        params: Any = {"invoice": paid.id, "lines": [given], "out_of_band_amount": 5000}

        preview = client.v1.credit_notes.preview(params)
        note = client.v1.credit_notes.create(params)

        assert (preview.total, note.total, note.out_of_band_amount) == (5000, 5000, 5000)
        assert [(x.invoice_line_item, x.amount) for x in note.lines.data] == [(line.id, 5000)]
        params["lines"] = [{**given, "amount": 20001}]
        with pytest.raises(stripe.InvalidRequestError, match="greater than that of its"):
            client.v1.credit_notes.create(params)

    def test_credits_the_balance_which_pays_the_next_invoice(
        self,
        sandbox: Sandbox,
        client: stripe.StripeClient,
        alice: stripe.Customer,
        subscription: stripe.Subscription,
        paid: stripe.Invoice,
    ) -> None:
        client.v1.credit_notes.create({"invoice": paid.id, "amount": 12000, "credit_amount": 12000})
        balances = [client.v1.customers.retrieve(alice.id).balance]
        sandbox.advance(MAR + HOUR)
        balances.append(client.v1.customers.retrieve(alice.id).balance)
        following = invoices(client, subscription)[0]

        assert balances == [-12000, -2000]
        assert (following.total, following.amount_due, following.status) == (10000, 0, "paid")
        assert (following.starting_balance, following.ending_balance) == (-12000, -2000)

    def test_lowers_what_is_owed_on_an_open_invoice_until_it_is_voided(
        self, sandbox: Sandbox, client: stripe.StripeClient
    ) -> None:
        customer = make_customer(client)
        subscription = subscribe(client, customer, make_price(client, make_meter(client)))
        sandbox.advance(FEB)
        draft = invoices(client, subscription)[0]
        with pytest.raises(stripe.InvalidRequestError, match="open or paid"):
            client.v1.credit_notes.create({"invoice": draft.id, "amount": 1})
        sandbox.advance(FEB + HOUR)
        note = client.v1.credit_notes.create({"invoice": draft.id, "amount": 4000})
        lowered = client.v1.invoices.retrieve(draft.id)
        client.v1.credit_notes.void_credit_note(note.id)
        restored = client.v1.invoices.retrieve(draft.id)
        client.v1.credit_notes.create({"invoice": draft.id, "amount": 10000})

        assert note.type == "pre_payment"
        assert (lowered.amount_remaining, lowered.pre_payment_credit_notes_amount) == (6000, 4000)
        assert (restored.amount_remaining, restored.total) == (10000, 10000)
        assert client.v1.invoices.retrieve(draft.id).status == "paid"
        assert client.v1.subscriptions.retrieve(subscription.id).status == "active"
