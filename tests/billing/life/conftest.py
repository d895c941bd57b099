"""Acme, led by Alice, subscribed to Pro in the Stripe sandbox; both clocks move together."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from django.db import connection
from django.test import Client

from bencher import clock
from bencher.tenancy.models import Organization, User
from billing import (
    close,
    correcting,
    customers,
    gateway,
    outbox,
    plans,
    posting,
    stripe_setup,
    subscribing,
)
from billing.models import BillingPeriod, Checkout, Correction, MeterEvent, Plan
from series.models import Project, Visibility
from tests.billing.conftest import report
from tests.factories import make_organization, make_project, make_user
from tests.staffing import desk_of
from tests.stripe_sandbox import Sandbox

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
Travel = Callable[[datetime], None]


@pytest.fixture
def shop(db: None, sandbox: Sandbox) -> Sandbox:
    """Return a sandbox in which Pro can be sold, and which tells nobody of anything.

    Each advance would wait for webhooks that nobody receives here.
    """
    list(stripe_setup.run())
    for endpoint in sandbox.objects("webhook_endpoint"):
        gateway.connect().delete_webhook_endpoint(str(endpoint["id"]))
    return sandbox


@pytest.fixture
def alice(db: None) -> User:
    """Return Acme's leader."""
    return make_user("alice")


@pytest.fixture
def acme(alice: User) -> Organization:
    """Return an organization that has no plan yet."""
    return make_organization("Acme", leader=alice)


@pytest.fixture
def engine(acme: Organization) -> Project:
    """Return a private project of Acme."""
    return make_project("Engine", organization=acme, visibility=Visibility.PRIVATE)


@pytest.fixture
def plan(shop: Sandbox, acme: Organization, alice: User, settings: Any, travel: Travel) -> Plan:
    """Return Acme's plan, an hour into its first paid period."""
    settings.PRO_TRIAL_DAYS = 0
    give_card(acme, alice)
    plan = subscribing.subscribe(acme, leader=alice, now=clock.now())
    travel(clock.now() + timedelta(hours=1))
    return plan


@pytest.fixture
def trial(shop: Sandbox, acme: Organization, alice: User) -> Plan:
    """Return Acme's plan in its trial."""
    give_card(acme, alice)
    return subscribing.subscribe(acme, leader=alice, now=clock.now())


@pytest.fixture
def travel(shop: Sandbox) -> Travel:
    """Return a function that moves the sandbox's clock and ours to an instant."""

    def to(instant: datetime) -> None:
        shop.advance(int(instant.timestamp()) + 1)
        set_clock(shop.clock.now())

    return to


def set_clock(seconds: int) -> None:
    """Set our clock to an instant of the sandbox's."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        row = cursor.fetchone()
    assert row is not None
    clock.set_ahead(datetime.fromtimestamp(seconds, tz=UTC) - row[0])


def give_card(organization: Organization, leader: User) -> None:
    """Let an organization's customer pay by card."""
    customer = customers.of(organization, leader=leader, now=clock.now()).stripe_customer_id
    client = gateway.connect()._client
    card = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer})
    client.v1.customers.update(customer, {"invoice_settings": {"default_payment_method": card.id}})


def at_stripe(sandbox: Sandbox, subscription_id: str) -> dict[str, Any]:
    """Return the stored subscription, to be changed as Stripe might."""
    found: dict[str, Any] = sandbox.state.tables["subscription"][subscription_id]
    return found


def live_at_stripe(sandbox: Sandbox) -> list[str]:
    """Return the subscriptions that have not ended at Stripe."""
    return [found["id"] for found in sandbox.objects("subscription") if not found["ended_at"]]


def invoices(sandbox: Sandbox, subscription_id: str) -> list[dict[str, Any]]:
    """Return the invoices of a subscription, oldest first, without the first one."""
    return [
        found
        for found in sandbox.objects("invoice")
        if found["parent"]["subscription_details"]["subscription"] == subscription_id
        and found["billing_reason"] != "subscription_create"
    ]


def open_checkout() -> Checkout:
    """Return the open checkout."""
    return Checkout.objects.get(state="open")


def pay(sandbox: Sandbox, session_id: str, *, card: str = "4242") -> None:
    """Complete a checkout on its page; the way back to us is not followed."""
    url = f"{sandbox.url}/c/pay/{session_id}"
    data = {"card": card, "terms": "accepted"}
    requests.post(url, data=data, timeout=10, allow_redirects=False).raise_for_status()


def send() -> None:
    """Send what waits in the outbox."""
    outbox.send(gateway.connect(), per_second=1000)


@pytest.fixture
def root(db: None) -> User:
    """Return somebody of the staff."""
    return make_user("root", is_staff=True)


@pytest.fixture
def desk(root: User) -> Client:
    """Return the browser of staff."""
    return desk_of(root)


@dataclass(frozen=True, slots=True)
class World:
    """Acme's paid plan, an hour into its first period, with three active series."""

    shop: Sandbox
    plan: Plan
    engine: Project
    root: User
    travel: Travel

    @property
    def period(self) -> BillingPeriod:
        """Return the first period."""
        return BillingPeriod.objects.earliest("starts_at")

    def post(self) -> MeterEvent:
        """Store the count, to be sent."""
        posting.by_hand(self.plan)
        return MeterEvent.objects.latest("pk")

    def end(self) -> BillingPeriod:
        """Let the first period end, its value stored."""
        self.post()
        self.travel(self.period.ends_at + 10 * MINUTE)
        plans.sync(self.plan.stripe_subscription_id)
        return self.period

    def close(self) -> Any:
        """Close the first period and return its statement."""
        return close.close(self.end().pk, now=clock.now())

    def propose(self, *, series: int, by: User | None = None) -> Correction:
        """Propose a correction of the first period's statement."""
        return correcting.propose(
            self.close(), series=series, why="miscounted", by=by or self.root, now=clock.now()
        )


@pytest.fixture
def world(shop: Sandbox, plan: Plan, engine: Project, root: User, travel: Travel) -> World:
    report(engine, 3)
    return World(shop, plan, engine, root, travel)
