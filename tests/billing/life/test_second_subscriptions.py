"""Two completed checkouts of one organization: one plan, and nobody pays twice."""

from typing import Any

import pytest
import stripe

from bencher import clock
from bencher.tenancy.models import Organization, User
from billing import checkouts, customers, gateway, plans, prices, second_subscriptions, webhooks
from billing.models import Checkout, Level, Plan, SecondSubscription, WebhookReceipt
from tests.billing.life.conftest import invoices, live_at_stripe, open_checkout, pay
from tests.stripe_sandbox import Fault, Sandbox


@pytest.fixture
def sessions(shop: Sandbox, acme: Organization, alice: User) -> tuple[str, str]:
    """Return two open sessions: the one that we know, and one whose expiry got lost."""
    checkouts.start(acme, user=alice, now=clock.now())
    stray = gateway.connect().start_checkout(
        customer_id=acme.billing_customer.stripe_customer_id,
        organization_uuid=str(acme.uuid),
        price_ids=prices.sold(Level.PRO),
        trial_days=None,
        success_url="https://bencher.example/",
        cancel_url="https://bencher.example/",
    )
    return open_checkout().stripe_session_id, stray.id


def subscription_of(sandbox: Sandbox, session_id: str) -> str:
    found: str = sandbox.state.tables["checkout.session"][session_id]["subscription"]
    return found


def hear(*subscription_ids: str) -> None:
    """Handle the webhooks of these subscriptions one after another."""
    for number, subscription_id in enumerate(subscription_ids):
        WebhookReceipt.objects.create(
            event_id=f"evt_{subscription_id}_{number}",
            type="customer.subscription.created",
            object_id=subscription_id,
            subject_id=subscription_id,
            received_at=clock.now(),
        )
        webhooks.handle_waiting(now=clock.now())


@pytest.mark.parametrize("paid_first", [0, 1])
@pytest.mark.parametrize("heard_first", [0, 1])
def test_the_one_heard_of_first_stays(
    shop: Sandbox, acme: Organization, sessions: tuple[str, str], paid_first: int, heard_first: int
) -> None:
    pay(shop, sessions[paid_first])
    pay(shop, sessions[1 - paid_first])
    found = [subscription_of(shop, session) for session in sessions]

    hear(found[heard_first], found[1 - heard_first], found[heard_first])
    checkouts.follow(now=clock.now() + checkouts._LATEST)

    stays = Plan.objects.get(ended_at=None).stripe_subscription_id
    assert stays == found[heard_first]
    assert live_at_stripe(shop) == [stays]
    second = SecondSubscription.objects.get()
    assert second.stripe_subscription_id == found[1 - heard_first]
    assert second.live_subscription_id == stays
    assert second.taken_back_at is not None
    # Ours is used, or refused where the stray one came first.
    state = Checkout.objects.get().state
    assert state == (Checkout.State.REFUSED if heard_first else Checkout.State.COMPLETED)


@pytest.mark.parametrize(("card", "status", "left"), [("0341", "void", 0), ("4242", "paid", 0)])
def test_what_it_asked_for_or_was_paid_is_undone(
    shop: Sandbox, plan: Plan, acme: Organization, card: str, status: str, left: int
) -> None:
    second = subscribe_to_licensed(shop, acme, card=card)

    with pytest.raises(plans.SecondSubscriptionError):
        second_subscriptions.sync(second, now=clock.now())

    (invoice,) = [
        found
        for found in shop.objects("invoice")
        if found["parent"]["subscription_details"]["subscription"] == second
    ]
    assert (invoice["status"], invoice["total"]) == (status, 500)
    notes = shop.objects("credit_note")
    credited = sum(note["amount"] for note in notes if note["invoice"] == invoice["id"])
    assert credited == (500 if status == "paid" else 0)
    assert live_at_stripe(shop) == [plan.stripe_subscription_id]


def subscribe_to_licensed(sandbox: Sandbox, acme: Organization, *, card: str) -> str:
    """Subscribe Acme beside its plan to something that costs 5 dollars at once."""
    client = stripe.StripeClient(
        "sk_test_sandboxsandboxsandboxsandbox", base_addresses={"api": sandbox.url}
    )
    customer = acme.billing_customer.stripe_customer_id
    method = {"4242": "pm_card_visa", "0341": "pm_card_chargeCustomerFail"}[card]
    attached = client.v1.payment_methods.attach(method, {"customer": customer})
    product = client.v1.products.create({"name": "Extra"})
    price = client.v1.prices.create(
        {
            "product": product.id,
            "currency": "usd",
            "unit_amount": 500,
            "recurring": {"interval": "month"},
        }
    )
    params: Any = {
        "customer": customer,
        "items": [{"price": price.id}, {"price": Plan.objects.get().stripe_price_id}],
        "default_payment_method": attached.id,
        "metadata": {"organization": str(acme.uuid)},
    }
    return client.v1.subscriptions.create(params).id


def test_one_that_staff_made_by_hand_is_left_to_staff(
    shop: Sandbox, plan: Plan, acme: Organization
) -> None:
    by_hand = gateway.connect().subscribe(
        customer_id=acme.billing_customer.stripe_customer_id,
        organization_uuid="",
        price_ids=[plan.stripe_price_id],
        trial_days=None,
    )

    with pytest.raises(plans.SecondSubscriptionError):
        second_subscriptions.sync(by_hand.id, now=clock.now())

    assert SecondSubscription.objects.get().for_staff
    assert set(live_at_stripe(shop)) == {plan.stripe_subscription_id, by_hand.id}
    assert second_subscriptions.finish(now=clock.now()) == 0


def test_one_is_the_plan_where_the_first_had_ended_unnoticed(
    shop: Sandbox, plan: Plan, acme: Organization
) -> None:
    gateway.connect().cancel_subscription(plan.stripe_subscription_id, invoice_now=False)
    found = gateway.connect().subscribe(
        customer_id=acme.billing_customer.stripe_customer_id,
        organization_uuid=str(acme.uuid),
        price_ids=[plan.stripe_price_id],
        trial_days=None,
    )

    second_subscriptions.sync(found.id, now=clock.now())

    assert Plan.objects.get(ended_at=None).stripe_subscription_id == found.id
    assert not SecondSubscription.objects.exists()


def test_is_continued_after_a_failure_in_between(shop: Sandbox, sessions: tuple[str, str]) -> None:
    for session in sessions:
        pay(shop, session)
    ours, stray = (subscription_of(shop, session) for session in sessions)
    shop.faults.next("DELETE /v1/subscriptions/*", Fault.TIMEOUT_AFTER, count=1)
    shop.faults.next("DELETE /v1/subscriptions/*", Fault.UNAVAILABLE, count=9)
    shop.switches.timeout_seconds = 0

    hear(ours, stray)
    assert SecondSubscription.objects.get().taken_back_at is None

    shop.faults.clear()
    assert second_subscriptions.finish(now=clock.now()) == 1
    assert live_at_stripe(shop) == [ours]
    assert SecondSubscription.objects.get().taken_back_at is not None


def test_a_subscription_of_a_deleted_organization_is_taken_back(
    shop: Sandbox, acme: Organization, alice: User
) -> None:
    customers.of(acme, leader=alice, now=clock.now())
    acme.deleted_at = clock.now()
    acme.save(update_fields=["deleted_at"])
    found = gateway.connect().subscribe(
        customer_id=acme.billing_customer.stripe_customer_id,
        organization_uuid=str(acme.uuid),
        price_ids=prices.sold(Level.PRO),
        trial_days=None,
    )

    with pytest.raises(plans.SecondSubscriptionError):
        second_subscriptions.sync(found.id, now=clock.now())

    assert live_at_stripe(shop) == []
    assert not Plan.objects.exists()
    assert invoices(shop, found.id) == []
