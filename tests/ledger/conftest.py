"""A subscriber at the sandbox: the trial is closed and settled, the first paid month runs."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from bencher import clock, time_travel
from bencher.tenancy.models import Organization
from billing import close, gateway, outbox, plans, settlement, stripe_setup, subscribing, sweep
from billing.models import BillingPeriod, Plan
from series.models import Project, Visibility
from tests.billing.conftest import report
from tests.factories import make_organization, make_project, make_user
from tests.stripe_sandbox import Sandbox

HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Customer:
    """Acme on Pro, with a private project."""

    organization: Organization
    project: Project
    plan: Plan
    sandbox: Sandbox

    @property
    def running(self) -> BillingPeriod:
        """Return the period that runs."""
        return self.plan.periods.latest("starts_at")

    @property
    def closed(self) -> BillingPeriod:
        """Return the latest period that was closed."""
        return self.plan.periods.exclude(state=BillingPeriod.State.OPEN).latest("starts_at")

    def night(self) -> None:
        """Sweep and send, as beat does at night."""
        sweep.run(on=clock.now().date())
        outbox.send(gateway.connect(), per_second=1000)

    def go_to(self, at: datetime) -> None:
        """Move both clocks forward and follow Stripe, close, send and settle, as beat does."""
        self.sandbox.advance(int(at.timestamp()))
        time_travel.follow()
        now = clock.now()
        plans.sync(self.plan.stripe_subscription_id)
        list(close.close_due(now=now))
        outbox.send(gateway.connect(), per_second=1000)
        settlement.settle_due(now=now)

    def end_period(self) -> None:
        """Let the running period end, be closed, invoiced and settled."""
        ends_at = self.running.ends_at
        self.go_to(ends_at + timedelta(minutes=11))
        self.go_to(ends_at + 3 * HOUR)


def subscribe(name: str, shop: Sandbox) -> Customer:
    """Return an organization that has just begun its trial of three days."""
    leader = make_user(name)
    organization = make_organization(name.title(), leader=leader)
    return Customer(
        organization=organization,
        project=make_project("Engine", organization=organization, visibility=Visibility.PRIVATE),
        plan=subscribing.subscribe(organization, leader=leader, now=clock.now()),
        sandbox=shop,
    )


@pytest.fixture
def shop(db: None, sandbox: Sandbox) -> Sandbox:
    """Return a sandbox in which Pro can be sold, and which tells nobody of anything.

    Each advance would wait for webhooks that nobody receives here.
    """
    list(stripe_setup.run())
    (endpoint,) = sandbox.objects("webhook_endpoint")
    gateway.connect().delete_webhook_endpoint(str(endpoint["id"]))
    return sandbox


@pytest.fixture
def customer(shop: Sandbox, settings: Any) -> Customer:
    """Return Acme: five series in the trial, which is settled; four in the month that runs."""
    settings.PRO_TRIAL_DAYS = 3
    settings.BILLING_CLOSE_DELAY = timedelta(minutes=10)
    acme = subscribe("acme", shop)
    report(acme.project, 5)
    acme.end_period()
    report(acme.project, 4)
    acme.go_to(clock.now() + HOUR)
    acme.night()
    acme.go_to(clock.now() + HOUR)
    return acme
