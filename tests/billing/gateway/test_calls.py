"""Each call against the sandbox over HTTP; what the sandbox lacks, against a script."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import stripe as client_library

from billing import gateway
from tests.billing.gateway.scripted import Script
from tests.sandbox.shop import JAN, make_client, make_customer, make_meter, make_price
from tests.stripe_sandbox import Sandbox

NOW = datetime.fromtimestamp(JAN, tz=UTC)


@pytest.fixture
def client(sandbox: Sandbox) -> client_library.StripeClient:
    return make_client(sandbox)


@pytest.fixture
def price_id(client: client_library.StripeClient) -> str:
    return make_price(client, make_meter(client)).id


@pytest.fixture
def customer_id(client: client_library.StripeClient) -> str:
    return make_customer(client, card="pm_card_visa").id


@pytest.fixture
def subscribed(stripe: gateway.Gateway, customer_id: str, price_id: str) -> gateway.Subscription:
    return stripe.subscribe(
        customer_id=customer_id, organization_uuid="acme", price_ids=[price_id], trial_days=None
    )


def at(instant: datetime) -> int:
    return int(instant.timestamp())


class TestCustomers:
    def test_the_payer_is_shown_with_the_customers_card(
        self, stripe: gateway.Gateway, subscribed: gateway.Subscription, customer_id: str
    ) -> None:
        payer = stripe.payer(subscribed.id)

        assert (payer.customer_id, payer.name) == (customer_id, "Acme")
        assert payer.card
        assert (payer.card.brand, payer.card.last_four) == ("visa", "4242")

    def test_a_payer_may_have_no_card(
        self, stripe: gateway.Gateway, client: client_library.StripeClient, price_id: str
    ) -> None:
        subscription = stripe.subscribe(
            customer_id=make_customer(client).id,
            organization_uuid="acme",
            price_ids=[price_id],
            trial_days=30,
        )

        assert stripe.payer(subscription.id).card is None


class TestCheckouts:
    def start(
        self, stripe: gateway.Gateway, customer_id: str, price_id: str, **more: Any
    ) -> gateway.CheckoutSession:
        return stripe.start_checkout(
            customer_id=customer_id,
            organization_uuid="acme",
            price_ids=[price_id],
            trial_days=30,
            success_url="https://bencher.example/done",
            cancel_url="https://bencher.example/",
            **more,
        )

    def test_a_customers_checkouts_are_listed_by_status(
        self, stripe: gateway.Gateway, customer_id: str, price_id: str
    ) -> None:
        first = self.start(stripe, customer_id, price_id)
        second = self.start(stripe, customer_id, price_id)
        stripe.expire_checkout(first.id)

        found = stripe.checkouts_of(customer_id)
        still_open = stripe.checkouts_of(customer_id, status="open")

        assert {session.id for session in found} == {first.id, second.id}
        assert [session.id for session in still_open] == [second.id]

    def test_an_expired_checkout_cannot_be_expired_again(
        self, stripe: gateway.Gateway, customer_id: str, price_id: str
    ) -> None:
        session = self.start(stripe, customer_id, price_id)
        stripe.expire_checkout(session.id)

        with pytest.raises(gateway.RefusedError):
            stripe.expire_checkout(session.id)

    def test_terms_are_asked_for(
        self, stripe: gateway.Gateway, sandbox: Sandbox, customer_id: str, price_id: str
    ) -> None:
        self.start(stripe, customer_id, price_id, terms=True)

        (session,) = sandbox.objects("checkout.session")
        assert session["consent_collection"]["terms_of_service"] == "required"


class TestSubscriptions:
    def test_the_end_of_the_period_is_set_and_taken_back(
        self, stripe: gateway.Gateway, subscribed: gateway.Subscription
    ) -> None:
        assert stripe.set_cancel_at_period_end(subscribed.id, cancel=True).cancel_at_period_end
        assert not stripe.set_cancel_at_period_end(subscribed.id, cancel=False).cancel_at_period_end

    def test_cancel_now_invoices_what_was_used(
        self, stripe: gateway.Gateway, sandbox: Sandbox, subscribed: gateway.Subscription
    ) -> None:
        sandbox.set_clock(JAN + 3600, frozen=True)

        ended = stripe.cancel_subscription(subscribed.id, invoice_now=True)

        (invoice, _) = stripe.invoices_of(subscribed.id)
        assert ended.status == "canceled"
        assert ended.ended_at == NOW + timedelta(hours=1)
        assert invoice.total_cents == 10000

    def test_all_of_a_customers_are_listed_ended_ones_too(
        self, stripe: gateway.Gateway, subscribed: gateway.Subscription, price_id: str
    ) -> None:
        stripe.cancel_subscription(subscribed.id, invoice_now=False)
        second = stripe.subscribe(
            customer_id=subscribed.customer_id,
            organization_uuid="acme",
            price_ids=[price_id],
            trial_days=None,
        )

        found = stripe.subscriptions_of(subscribed.customer_id)

        assert {one.id for one in found} == {subscribed.id, second.id}


class TestPrices:
    def test_a_price_by_the_minute_keeps_its_fractions(
        self, stripe: gateway.Gateway, client: client_library.StripeClient
    ) -> None:
        meter = make_meter(client, "runner_minutes", "sum")
        product = stripe.create_product(
            product_id="prod_metal", name="Bare metal", marks={"a": "b"}, idempotency_key="p"
        )
        price_id = stripe.create_price(
            {
                "product": product.id,
                "currency": "usd",
                "unit_amount_decimal": "1.666666666667",
                "recurring": {"interval": "month", "usage_type": "metered", "meter": meter.id},
            },
            idempotency_key="q",
        )

        stripe.set_default_price(product.id, price_id)

        price = stripe.price(price_id)
        assert price.unit_cents == Decimal("1.666666666667")
        assert (price.meter_id, price.interval, price.active) == (meter.id, "month", True)
        assert stripe.product("prod_metal").default_price_id == price_id
        assert stripe.product("prod_metal").metadata == {"a": "b"}

    def test_a_products_prices_come_with_their_tiers(
        self, stripe: gateway.Gateway, price_id: str
    ) -> None:
        product_id = stripe.price(price_id).product_id

        (price,) = stripe.prices_of(product_id)

        assert [tier["up_to"] for tier in price.tiers] == [250, 375, 500, None]
        assert stripe.metered_price_of(product_id).id == price_id

    def test_one_idempotency_key_makes_one_product(self, stripe: gateway.Gateway) -> None:
        made = [
            stripe.create_product(product_id="", name="A", marks={}, idempotency_key="same").id
            for _ in range(2)
        ]

        assert made[0] == made[1]
        assert [product.id for product in stripe.products()] == made[:1]


class TestMeters:
    def test_a_meter_that_adds_up(
        self, stripe: gateway.Gateway, sandbox: Sandbox, customer_id: str
    ) -> None:
        meter_id = stripe.create_meter(
            event_name="metrics", display_name="Metrics", formula="sum", idempotency_key="m"
        )
        for number in (3, 4):
            stripe.post_meter_event(
                event_name="metrics",
                customer_id=customer_id,
                value=number,
                timestamp=NOW,
                identifier=f"report-{number}",
            )

        (meter,) = stripe.meters()
        held = stripe.summary(
            meter_id=meter_id,
            customer_id=customer_id,
            starts_at=NOW - timedelta(minutes=5),
            ends_at=NOW + timedelta(minutes=5),
        )

        assert held == 7
        assert (meter.id, meter.formula, meter.active) == (meter_id, "sum", True)
        assert (meter.customer_key, meter.value_key) == ("stripe_customer_id", "value")

    def test_an_archived_meter_takes_events_again(
        self, stripe: gateway.Gateway, client: client_library.StripeClient
    ) -> None:
        meter = make_meter(client)
        client.v1.billing.meters.deactivate(meter.id)
        assert [one.active for one in stripe.meters()] == [False]

        stripe.reactivate_meter(meter.id)

        assert [one.active for one in stripe.meters()] == [True]


class TestInvoices:
    @pytest.fixture
    def draft(
        self, stripe: gateway.Gateway, sandbox: Sandbox, subscribed: gateway.Subscription
    ) -> gateway.Invoice:
        sandbox.advance(at(subscribed.items[0].ends_at) + 60)
        (draft, _) = stripe.invoices_of(subscribed.id)
        assert draft.status == "draft"
        return draft

    def test_all_invoices_come_over_every_page(
        self,
        stripe: gateway.Gateway,
        sandbox: Sandbox,
        subscribed: gateway.Subscription,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("billing.gateway.invoices.PAGE", 2)
        sandbox.advance(JAN + 7 * 31 * 86400)

        found = stripe.invoices_of(subscribed.id)

        assert len(found) == 8
        assert found == sorted(found, key=lambda invoice: invoice.created_at, reverse=True)

    def test_invoices_are_found_by_when_they_were_created(
        self, stripe: gateway.Gateway, draft: gateway.Invoice
    ) -> None:
        begins = draft.lines[0].ends_at

        later = stripe.invoices_of(draft.subscription_id, created_from=begins)
        earlier = stripe.invoices_of(draft.subscription_id, created_before=begins)

        assert [invoice.id for invoice in later] == [draft.id]
        assert len(earlier) == 1
        assert draft.id not in {invoice.id for invoice in earlier}

    def test_a_draft_waits_and_goes_on(
        self, stripe: gateway.Gateway, sandbox: Sandbox, draft: gateway.Invoice
    ) -> None:
        later = draft.created_at + timedelta(days=1)

        assert stripe.finalize_later(draft.id, at=later).finalizes_at == later
        assert stripe.hold_draft(draft.id).finalizes_at is None
        sandbox.advance(at(later) + 86400)
        assert stripe.invoice(draft.id).status == "draft"

        assert stripe.finalize_invoice(draft.id).status in ("open", "paid")
        with pytest.raises(gateway.RefusedError):
            stripe.finalize_later(draft.id, at=later + timedelta(days=9))

    def test_notes_are_added(self, stripe: gateway.Gateway, draft: gateway.Invoice) -> None:
        stripe.note_on_invoice(draft.id, {"statement": "abc"})

        noted = stripe.note_on_invoice(draft.id, {"other": "def"})

        assert noted.metadata == {"statement": "abc", "other": "def"}

    def test_an_open_invoice_is_voided(
        self,
        stripe: gateway.Gateway,
        sandbox: Sandbox,
        client: client_library.StripeClient,
        price_id: str,
    ) -> None:
        subscription = stripe.subscribe(
            customer_id=make_customer(client, card="pm_card_chargeCustomerFail").id,
            organization_uuid="acme",
            price_ids=[price_id],
            trial_days=None,
        )
        sandbox.advance(at(subscription.items[0].ends_at) + 7200)
        (owed, _) = stripe.invoices_of(subscription.id)
        assert (owed.status, owed.due_cents, owed.paid_cents) == ("open", 10000, 0)

        assert stripe.void_invoice(owed.id).status == "void"

        with pytest.raises(gateway.RefusedError):
            stripe.void_invoice(owed.id)

    @pytest.mark.parametrize(("charged", "total"), [(True, 10000), (False, 0)])
    def test_a_preview_tells_what_no_usage_costs(
        self,
        stripe: gateway.Gateway,
        sandbox: Sandbox,
        customer_id: str,
        price_id: str,
        charged: bool,
        total: int,
    ) -> None:
        sandbox.switches.flat_fee_at_zero = charged

        preview = stripe.preview_unused(customer_id=customer_id, price_ids=[price_id])

        assert preview.total_cents == total

    def test_a_preview_tells_the_current_period(
        self, stripe: gateway.Gateway, sandbox: Sandbox, subscribed: gateway.Subscription
    ) -> None:
        stripe.post_meter_event(
            event_name="active_series",
            customer_id=subscribed.customer_id,
            value=501,
            timestamp=NOW,
            identifier="i",
        )
        sandbox.set_clock(JAN + 120, frozen=True)

        assert stripe.preview_invoice(subscribed.id).total_cents == 20040


class TestPortal:
    FEATURES = gateway.PortalFeatures(
        plan_switching=False,
        payment_method_update=True,
        invoice_history=True,
        cancel_at_period_end=True,
        customer_update=("address", "email", "name", "tax_id"),
    )

    def test_a_session_under_a_configuration(
        self, stripe: gateway.Gateway, sandbox: Sandbox, customer_id: str
    ) -> None:
        configuration = stripe.create_portal_configuration(
            self.FEATURES, marks={"bencher": "portal"}, idempotency_key="c"
        )

        url = stripe.portal_url(
            customer_id=customer_id,
            configuration_id=configuration,
            return_url="https://bencher.example/",
        )

        (found,) = stripe.portal_configurations()
        assert url.startswith(sandbox.url)
        assert (found.id, found.active, found.features) == (configuration, True, self.FEATURES)
        assert found.metadata == {"bencher": "portal"}

    def test_what_it_allows_is_changed(self, stripe: gateway.Gateway) -> None:
        nothing = gateway.PortalFeatures(False, False, False, False, ())
        configuration = stripe.create_portal_configuration(nothing, marks={}, idempotency_key="c")

        stripe.update_portal_configuration(configuration, self.FEATURES)

        (found,) = stripe.portal_configurations()
        assert found.features == self.FEATURES


class TestCredits:
    """The sandbox serves no credit notes and grants yet, so Stripe's answers are written out."""

    NOTE = {
        "id": "cn_1",
        "object": "credit_note",
        "invoice": "in_1",
        "amount": 5000,
        "status": "issued",
        "created": JAN,
        "metadata": {"correction": "7"},
    }

    @pytest.mark.parametrize("paid", [True, False])
    def test_an_invoice_is_lowered(self, script: Script, paid: bool) -> None:
        note = script.say(self.NOTE).credit(
            "in_1",
            amount_cents=5000,
            memo="Counted twice",
            paid=paid,
            idempotency_key="correction-7",
            notes={"correction": "7"},
        )

        (asked,) = script.asked
        assert asked.path == "/v1/credit_notes"
        assert asked.headers["Idempotency-Key"] == "correction-7"
        assert "amount=5000" in asked.body
        assert ("credit_amount=5000" in asked.body) is paid
        assert (note.id, note.amount_cents, note.metadata) == ("cn_1", 5000, {"correction": "7"})

    def test_credit_notes_are_listed(self, script: Script) -> None:
        page = {"object": "list", "url": "/v1/credit_notes", "has_more": False, "data": [self.NOTE]}

        (note,) = script.say(page).credit_notes_of("in_1")

        assert note.invoice_id == "in_1"

    def test_credit_grants_are_listed(self, script: Script) -> None:
        grant = {
            "id": "credgr_1",
            "object": "billing.credit_grant",
            "customer": "cus_1",
            "amount": {"type": "monetary", "monetary": {"currency": "usd", "value": 2000}},
            "effective_at": JAN,
            "expires_at": JAN + 9,
            "voided_at": None,
            "category": "promotional",
            "metadata": {},
        }
        page = {
            "object": "list",
            "url": "/v1/billing/credit_grants",
            "has_more": False,
            "data": [grant],
        }

        (found,) = script.say(page).credit_grants_of("cus_1")

        assert (found.amount_cents, found.starts_at, found.voided_at) == (2000, NOW, None)


class TestSchedules:
    def schedule(self, *prices: str) -> dict[str, Any]:
        return {
            "id": "sub_sched_1",
            "object": "subscription_schedule",
            "status": "active",
            "subscription": "sub_1",
            "end_behavior": "release",
            "phases": [
                {
                    "start_date": JAN + number,
                    "end_date": JAN + number + 1,
                    "items": [{"price": price}],
                }
                for number, price in enumerate(prices)
            ],
        }

    def test_prices_change_when_the_period_ends(self, script: Script) -> None:
        stripe = script.say(
            {"id": "sub_1", "object": "subscription", "schedule": None},
            self.schedule("price_old"),
            self.schedule("price_old", "price_new"),
        )

        changed = stripe.change_prices_at_period_end("sub_1", months=[["price_new"]])

        retrieved, created, updated = script.asked
        assert [phase.price_ids for phase in changed.phases] == [("price_old",), ("price_new",)]
        assert retrieved.method == "GET"
        assert created.body == "from_subscription=sub_1"
        assert f"phases[0][end_date]={JAN + 1}" in updated.body
        assert "phases[1][items][0][price]=price_new" in updated.body
        assert "end_behavior=release" in updated.body

    def test_a_schedule_that_is_there_is_used(self, script: Script) -> None:
        stripe = script.say(
            {"id": "sub_1", "object": "subscription", "schedule": "sub_sched_1"},
            self.schedule("price_old"),
        )

        assert stripe.schedule_of("sub_1").id == "sub_sched_1"
        assert [asked.method for asked in script.asked] == ["GET", "GET"]

    def test_a_schedule_is_released(self, script: Script) -> None:
        script.say(self.schedule("price_old")).release_schedule("sub_sched_1")

        assert script.asked[0].path == "/v1/subscription_schedules/sub_sched_1/release"
