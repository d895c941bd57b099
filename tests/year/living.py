"""Two customers who live through time: what beat does is done at every instant that matters.

Tasks run where they are enqueued, in this process. Where Stripe fails, the minute timers would try
again each minute; here they do so every few minutes, until nothing of an ended period is left.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

import requests
import stripe
from django.db.models import Q
from django.test import Client

from bencher import clock, time_travel
from billing import claims, reconcile
from billing.models import BillingPeriod, Plan
from tests.machine import invariants
from tests.machine.crashes import CrashPoints
from tests.machine.world import MINUTE, Tenant, World
from tests.sandbox.shop import make_client
from tests.stripe_sandbox import Sandbox
from tests.stripe_sandbox.faults import ANSWERLESS, METER_EVENTS, Fault

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
AGAIN = 4 * MINUTE
SEED = 20270131


@dataclass(frozen=True)
class Billed:
    """One line of a final invoice that bills a period."""

    series: int
    amount_cents: int
    status: str


class Life:
    """Acme, whose year it is, and Globex, who falls silent after the trial."""

    def __init__(self, sandbox: Sandbox, *, start: datetime) -> None:
        self._stack = ExitStack()
        self.sandbox = sandbox
        self.world = World(sandbox, CrashPoints(), start=start)
        self.acme, self.globex = self.world.tenants
        self._failing = False
        for target, name, value in (
            (time_travel, "_run", self._run),
            (time_travel, "_instants", self._instants(time_travel._instants)),
            # Back-off is real waiting, of which there is none here.
            (claims, "_backoff", lambda _: 0.0),
        ):
            self._stack.enter_context(patch.object(target, name, value))

    def close(self) -> None:
        """Take everything back."""
        self._stack.close()
        self.world.close()

    # Time

    def live(self, to: datetime) -> None:
        """Live until an instant."""
        if to > clock.now():
            time_travel.advance(to=to, say=lambda _: None)

    def live_for(self, time: timedelta) -> None:
        """Live for some time."""
        self.live(clock.now() + time)

    def _run(self, *found: Any, **arguments: Any) -> None:
        for task in found:
            task.run(**arguments)
        while self.world.queue:
            task, arguments = self.world.queue.pop(0)
            task(**arguments)

    def _instants(self, own: Any) -> Any:
        def instants(*, after: datetime) -> Iterator[datetime]:
            yield from own(after=after)
            if self._failing and self._is_unfinished(after):
                yield after + AGAIN

        return instants

    def _is_unfinished(self, now: datetime) -> bool:
        """Tell whether the minute timers still have something to do for an ended period."""
        undone = Q(verification=None) | Q(verification__done_at=None)
        ended = BillingPeriod.objects.filter(ends_at__lte=now, ends_at__gt=now - 6 * HOUR)
        running = BillingPeriod.objects.filter(starts_at__lte=now, ends_at__gt=now)
        expected = Plan.objects.filter(ended_at=None).count()
        return ended.filter(undone).exists() or running.count() < expected

    # Faults

    def fail(self, share: float) -> None:
        """Let a share of all calls to Stripe fail from now on, in every way there is."""
        self._failing = True
        # Of meter events a part is lost after it was accepted, besides all else: closing ones too.
        lost = (Fault.ACCEPTED_AND_LOST,)
        self.sandbox.faults.rate(share, seed=SEED, kinds=lost, calls=METER_EVENTS)
        self.sandbox.faults.rate(share, seed=SEED + 1, kinds=ANSWERLESS, in_a_row=3)

    @contextmanager
    def undisturbed(self) -> Iterator[stripe.StripeClient]:
        """Give what a customer does at Stripe's own pages a client that never fails."""
        failing, self._failing = self._failing, False
        self.sandbox.faults.clear()
        yield make_client(self.sandbox)
        if failing:
            self.fail(0.3)

    # What customers do

    def subscribe(self, tenant: Tenant) -> bool:
        """Check out and pay with a good card; returns whether a trial came with it."""
        for _ in range(30):
            response = tenant.api.post(
                "/v0/checkout",
                {"organization": str(tenant.organization.uuid), "level": "pro"},
                content_type="application/json",
            )
            if response.status_code == 201:
                break
            assert response.status_code == 503, response.content
            self.live_for(MINUTE)
        answer = response.json()
        page = {"card": "4242", "terms": "accepted"}
        requests.post(answer["url"], data=page, timeout=30, allow_redirects=False)
        self.live_for(AGAIN)
        while not Plan.objects.filter(organization=tenant.organization, ended_at=None).exists():
            self.live_for(AGAIN)
        plan = Plan.objects.get(organization=tenant.organization, ended_at=None)
        tenant.oracle.fence_at(plan.periods.earliest("starts_at").starts_at)
        return plan.trial_ends_at is not None

    def report(self, tenant: Tenant, series: int) -> None:
        """Report that many series to the private project, twice, as CI does."""
        results = [{f"bench {number}": {"Wall Clock": {"value": 1.5}} for number in range(series)}]
        for branch in ("main", "feature"):
            self.world.report(
                tenant,
                tenant.projects[0],
                testbed="Linux X64",
                branch=branch,
                results=results,
                ago=timedelta(0),
                crash_at=0,
            )

    def use_card(self, tenant: Tenant, card: str) -> None:
        """Change the card at Stripe."""
        with self.undisturbed() as client:
            customer = tenant.organization.billing_customer.stripe_customer_id
            method = client.v1.payment_methods.attach(card, {"customer": customer})
            for found in client.v1.subscriptions.list({"customer": customer}).data:
                client.v1.subscriptions.update(found.id, {"default_payment_method": method.id})

    def pay_what_is_open(self, tenant: Tenant) -> None:
        """Pay the open invoice at Stripe's page."""
        with self.undisturbed() as client:
            customer = tenant.organization.billing_customer.stripe_customer_id
            for invoice in client.v1.invoices.list({"customer": customer, "status": "open"}).data:
                client.v1.invoices.pay(invoice.id)

    def cancel_at_period_end(self, tenant: Tenant) -> None:
        """Let the plan end with its period, from a browser."""
        browser = Client()
        browser.force_login(tenant.leader)
        for _ in range(30):
            response = browser.patch(
                f"{tenant.path}/plan",
                {"cancel_at_period_end": True},
                content_type="application/json",
            )
            if response.status_code == 200:
                return
            assert response.status_code in (409, 503), response.content
            self.live_for(MINUTE)
        raise AssertionError("The plan could not be canceled.")

    def live_to_the_last_minute_of_the_period(self, tenant: Tenant) -> None:
        """Live until just before the end of the running period."""
        self.live(self._running(tenant).ends_at - MINUTE / 2)

    def _running(self, tenant: Tenant) -> BillingPeriod:
        plan = Plan.objects.get(organization=tenant.organization, ended_at=None)
        return plan.periods.latest("starts_at")

    def live_to_the_end_of_the_period(self, tenant: Tenant) -> None:
        """Live until the running period is over, closed, verified and invoiced; check it all."""
        self.live(self._running(tenant).ends_at + 2 * HOUR)
        invariants.check(self.world)

    # What came of it

    def billed(self, tenant: Tenant) -> list[Billed]:
        """Return what was invoiced for periods that we closed, oldest first."""
        statements = {
            (int(found.starts_at.timestamp()), found.stripe_subscription_id)
            for found in tenant.organization.statements.all()
        }
        lines = [
            (line["period"]["start"], line, invoice)
            for invoice in self.sandbox.objects("invoice")
            for line in invoice["lines"]
            if (
                line["period"]["start"],
                invoice["parent"]["subscription_details"]["subscription"],
            )
            in statements
            and line["period"]["end"] > line["period"]["start"]
            and invoice["billing_reason"] != "subscription_create"
        ]
        return [
            Billed(line["quantity"] or 0, line["amount"], invoice["status"])
            for _, line, invoice in sorted(lines, key=lambda found: found[0])
        ]

    def differing(self) -> list[str]:
        """Reconcile everything with a Stripe that answers; return what differs."""
        with self.undisturbed():
            return [
                difference.sentence
                for tenant in self.world.tenants
                for checked in reconcile.run(now=clock.now(), organization=tenant.organization)
                for difference in checked.differences
            ]
