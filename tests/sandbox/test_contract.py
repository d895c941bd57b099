"""Everything that goes over the wire in a whole scenario, against Stripe's published API.

The checker lies outside the repository; without it this test says so and is skipped.
"""

import importlib.util
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import stripe

from tests import stripe_sandbox
from tests.sandbox.shop import (
    DAY,
    FEB,
    JAN,
    MAR,
    invoices,
    make_client,
    make_customer,
    make_meter,
    make_price,
    subscribe,
    use,
)
from tests.stripe_sandbox import Sandbox
from tests.stripe_sandbox.log import Recorded

CHECKER = Path(__file__).parents[3] / "shared" / "tools" / "stripe_contract.py"
# Served for dj-stripe and for people, but not part of the published subset.
OUTSIDE = re.compile(
    r"/v1/(account|invoice_payments|payment_intents|customers/\w+/payment_methods"
    r"|credit_notes|subscription_schedules)"
)

Check = Callable[..., list[str]]


@pytest.fixture(scope="module")
def check() -> Check:
    if not CHECKER.exists():
        pytest.skip("no shared/tools/stripe_contract.py beside the repository")
    spec = importlib.util.spec_from_file_location("stripe_contract", CHECKER)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    checker: Check = module.check
    return checker


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with stripe_sandbox.serve(now=JAN, frozen=True) as served:
        yield served


def set_up(client: stripe.StripeClient) -> tuple[stripe.billing.Meter, stripe.Price]:
    meter = make_meter(client)
    price = make_price(client, meter, lookup_key="pro", metadata={"plan": "pro"})
    client.v1.billing.meters.update(meter.id, {"display_name": "Series"})
    client.v1.billing.meters.deactivate(meter.id)
    client.v1.billing.meters.reactivate(meter.id)
    client.v1.billing.meters.list({"status": "active"})
    client.v1.products.update(str(price.product), {"description": "All of it"})
    client.v1.products.list({"active": True})
    client.v1.products.search({"query": "active:'true'"})
    client.v1.prices.update(price.id, {"nickname": "ladder"})
    client.v1.prices.list({"lookup_keys": ["pro"], "expand": ["data.tiers", "data.product"]})
    client.v1.billing_portal.configurations.create(
        {
            "features": {
                "invoice_history": {"enabled": True},
                "payment_method_update": {"enabled": True},
                "subscription_update": {"enabled": False},
            }
        }
    )
    client.v1.billing_portal.configurations.list({})
    endpoint = client.v1.webhook_endpoints.create(
        {"url": "http://127.0.0.1:9/", "enabled_events": ["invoice.paid"]}
    )
    client.v1.webhook_endpoints.update(endpoint.id, {"disabled": True})
    client.v1.webhook_endpoints.list({})
    destination = client.v2.core.event_destinations.create(
        {
            "name": "Meter errors",
            "type": "webhook_endpoint",
            "event_payload": "thin",
            "enabled_events": ["v1.billing.meter.error_report_triggered"],
            "webhook_endpoint": {"url": "http://127.0.0.1:9/thin"},
            "include": ["webhook_endpoint.signing_secret"],
        }
    )
    client.v2.core.event_destinations.retrieve(destination.id)
    client.v2.core.event_destinations.update(destination.id, {"description": "all of them"})
    client.v2.core.event_destinations.disable(destination.id)
    client.v2.core.event_destinations.enable(destination.id)
    return meter, price


def buy(client: stripe.StripeClient, price: stripe.Price) -> stripe.Subscription:
    customer = client.v1.customers.create({"name": "Acme", "email": "alice@example.com"})
    session = client.v1.checkout.sessions.create(
        {
            "mode": "subscription",
            "customer": customer.id,
            "client_reference_id": "acme",
            "line_items": [{"price": price.id}],
            "payment_method_collection": "always",
            "consent_collection": {"terms_of_service": "required"},
            "subscription_data": {
                "trial_period_days": 14,
                "metadata": {"organization": "acme"},
                "trial_settings": {"end_behavior": {"missing_payment_method": "cancel"}},
            },
            "success_url": "http://127.0.0.1:9/{CHECKOUT_SESSION_ID}",
            "cancel_url": "http://127.0.0.1:9/",
        }
    )
    assert session.url
    form = {"card": "4242", "terms": "accepted"}
    requests.post(session.url, data=form, timeout=5, allow_redirects=False)
    client.v1.checkout.sessions.list({"customer": customer.id})
    done = client.v1.checkout.sessions.retrieve(
        session.id, {"expand": ["subscription", "line_items"]}
    )
    return stripe.Subscription.construct_from(done.to_dict()["subscription"], "key")


def live(
    sandbox: Sandbox,
    client: stripe.StripeClient,
    meter: stripe.billing.Meter,
    subscription: stripe.Subscription,
) -> None:
    customer = client.v1.customers.retrieve(str(subscription.customer))
    sandbox.advance(JAN + 14 * DAY)
    use(client, customer, 501, JAN + 14 * DAY + 60, identifier="one")
    use(client, customer, 502, JAN + 14 * DAY + 61, identifier="two")
    client.v1.billing.meter_event_adjustments.create(
        {"event_name": "active_series", "type": "cancel", "cancel": {"identifier": "two"}}
    )
    client.v1.billing.meters.event_summaries.list(
        meter.id,
        {"customer": customer.id, "start_time": JAN, "end_time": FEB - FEB % 60},
    )
    client.v1.invoices.create_preview({"subscription": subscription.id})
    sandbox.advance(MAR - DAY)
    draft = invoices(client, subscription)[0]
    client.v1.invoices.list({"customer": customer.id, "status": "paid"})
    client.v1.invoices.line_items.list(draft.id)
    client.v1.invoices.retrieve(draft.id, {"expand": ["discounts", "lines.data.discounts"]})
    client.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
    client.v1.subscriptions.list({"customer": customer.id, "status": "all"})
    client.v1.subscription_items.list({"subscription": subscription.id})
    client.v1.payment_methods.list({"customer": customer.id})
    client.v1.billing_portal.sessions.create({"customer": customer.id})
    client.v1.subscriptions.cancel(subscription.id, {"invoice_now": True})
    last = invoices(client, subscription)[0]
    client.v1.invoices.update(last.id, {"metadata": {"a": "b"}, "auto_advance": False})
    client.v1.invoices.finalize_invoice(last.id)
    client.v1.invoices.pay(last.id)


def change(sandbox: Sandbox, client: stripe.StripeClient, price: stripe.Price) -> None:
    """Change, credit, schedule and pause, as a migration of old customers might."""
    customer = make_customer(client, card="pm_card_visa")
    meter = make_meter(client, "metrics", "sum")
    metrics = client.v1.prices.create(
        {
            "currency": "usd",
            "product_data": {"name": "Metrics"},
            "unit_amount": 1,
            "recurring": {"interval": "month", "usage_type": "metered", "meter": meter.id},
        }
    )
    grants = client.v1.billing.credit_grants
    params: Any = {
        "customer": customer.id,
        "amount": {"type": "monetary", "monetary": {"currency": "usd", "value": 500}},
        "applicability_config": {"scope": {"price_type": "metered"}},
    }
    grants.create(params)
    more: Any = {**params, "name": "spare", "expires_at": sandbox.clock.now() + DAY}
    spare = grants.create(more)
    grants.update(spare.id, {"metadata": {"a": "b"}})
    grants.expire(spare.id)
    grants.void_grant(grants.create(params).id)
    grants.list({"customer": customer.id})
    mode: Any = {"billing_mode": {"type": "classic"}}
    subscription = subscribe(client, customer, metrics, **mode)
    client.v1.subscriptions.migrate(subscription.id, {"billing_mode": {"type": "flexible"}})
    use(client, customer, 700, sandbox.clock.now(), "metrics")
    sandbox.advance(sandbox.clock.now() + DAY)
    swap: Any = [{"id": subscription["items"].data[0].id, "price": price.id}]
    client.v1.invoices.create_preview(
        {"subscription": subscription.id, "subscription_details": {"items": swap}}
    )
    client.v1.subscriptions.update(
        subscription.id, {"items": swap, "proration_behavior": "always_invoice"}
    )
    schedule = client.v1.subscription_schedules.create({"from_subscription": subscription.id})
    client.v1.subscriptions.retrieve(subscription.id)
    client.v1.subscription_schedules.release(schedule.id)
    billed = invoices(client, subscription)[0]
    client.v1.credit_notes.create({"invoice": billed.id, "amount": 200, "credit_amount": 200})
    client.v1.invoices.retrieve(billed.id)
    client.v1.customers.retrieve(customer.id)
    client.v1.billing_portal.sessions.create(
        {"customer": customer.id, "flow_data": {"type": "payment_method_update"}}
    )
    cardless = make_customer(client)
    settings: Any = {"end_behavior": {"missing_payment_method": "pause"}}
    paused = subscribe(client, cardless, price, trial_period_days=1, trial_settings=settings)
    sandbox.advance(sandbox.clock.now() + DAY)
    client.v1.subscriptions.resume(paused.id)


def lapse(sandbox: Sandbox, client: stripe.StripeClient, price: stripe.Price) -> None:
    bob = make_customer(client, card="pm_card_chargeCustomerFail")
    subscription = subscribe(client, bob, price)
    sandbox.advance(MAR + 80 * DAY)
    owed = client.v1.invoices.list({"subscription": subscription.id, "status": "open"}).data
    client.v1.invoices.void_invoice(owed[0].id)
    again = subscribe(client, bob, price)
    sandbox.advance(MAR + 112 * DAY)
    open_ = client.v1.invoices.list({"subscription": again.id, "status": "open"}).data
    client.v1.invoices.mark_uncollectible(open_[0].id)
    client.v1.customers.delete(bob.id)
    for event in client.v1.events.list({"limit": 100}).auto_paging_iter():
        client.v1.events.retrieve(event.id)
    use(client, bob, 1, sandbox.clock.now())
    sandbox.advance(sandbox.clock.now() + 60)
    for thin in sandbox.objects("v2.core.event"):
        client.v2.core.events.retrieve(thin["id"])


def problems(check: Check, request: Recorded) -> list[str]:
    body = request.body or None
    # What is left of a deleted object is its id; the subset describes only the whole object.
    shown: Any = None if request.response.get("deleted") else request.response
    found = check(request.method, request.path, body, status=request.status, response=shown)
    return [f"{request.method} {request.path}: {problem}" for problem in found]


class TestContract:
    def test_holds_for_every_request_and_response(self, check: Check, sandbox: Sandbox) -> None:
        client = make_client(sandbox)
        meter, price = set_up(client)
        live(sandbox, client, meter, buy(client, price))
        change(sandbox, client, price)
        lapse(sandbox, client, price)
        with pytest.raises(stripe.InvalidRequestError):
            client.v1.customers.retrieve("cus_x")

        checked = [r for r in sandbox.requests if not OUTSIDE.match(r.path)]
        found = [problem for request in checked for problem in problems(check, request)]
        snapshots = [
            f"{event['type']}: {problem}"
            for event in sandbox.objects("event")
            if not OUTSIDE.match(made_at(event))
            for problem in check("POST", made_at(event), response=event["data"]["object"])
        ]
        assert len(checked) > 120
        assert found == []
        assert snapshots == []


def made_at(event: dict[str, Any]) -> str:
    """Return a path whose POST answers with the object of an event."""
    kind = event["data"]["object"]["object"]
    return f"/v1/{kind.replace('.', '/')}s" if kind != "invoice" else "/v1/invoices/x"
