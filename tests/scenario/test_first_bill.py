"""From the first report to the first settled bill, and the same with parts of it dead."""

from datetime import timedelta
from typing import Any

import pytest
import requests
from django.conf import settings as site_settings

from bencher import clock, time_travel
from bencher.demo import reconciling
from billing import gateway
from billing.models import (
    BillingPeriod,
    Checkout,
    Drift,
    MeterEvent,
    ScheduledRun,
    Settlement,
    Statement,
    WebhookReceipt,
)
from series import recounting
from series.counting import Basis
from tests.scenario.conftest import Customer, Tally, Worker, advance, forget_hints, open_period
from tests.stripe_sandbox import Sandbox

MARGIN = timedelta(minutes=1)
# Two testbeds each, so 300 series in the trial and 260 in the paid month.
IN_TRIAL, IN_MONTH = 150, 130


def report_twice(customer: Customer, benchmarks: int) -> None:
    """Report from two testbeds, and to the public project, which costs nothing."""
    for testbed in ("linux-x64", "linux-arm64"):
        customer.report(benchmarks, to=customer.private, testbed=testbed)
    customer.report(20, to=customer.public)


def at_stripe(sandbox: Sandbox, path: str, **query: Any) -> list[dict[str, Any]]:
    """Ask the sandbox as a stranger would, without the code that is tested."""
    answer = requests.get(
        f"{sandbox.url}/v1/{path}",
        params=query,
        headers={"Authorization": f"Bearer {site_settings.STRIPE_SECRET_KEY}"},
        timeout=10,
    )
    answer.raise_for_status()
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


def held(sandbox: Sandbox, period: BillingPeriod) -> int:
    """Return what the sandbox's meter says of a period, summed up in its whole minutes."""
    (meter,) = (
        found
        for found in at_stripe(sandbox, "billing/meters")
        if found["event_name"] == "active_series"
    )
    (summary,) = at_stripe(
        sandbox,
        f"billing/meters/{meter['id']}/event_summaries",
        customer=period.organization.billing_customer.stripe_customer_id,
        start_time=int(period.starts_at.timestamp()) // 60 * 60,
        end_time=int(period.ends_at.timestamp()) // 60 * 60,
    )
    return int(summary["aggregated_value"])


def invoiced(sandbox: Sandbox, period: BillingPeriod) -> list[tuple[int, int]]:
    """Return quantity and cents of each invoice line of a period's usage."""
    invoices = at_stripe(sandbox, "invoices", subscription=period.stripe_subscription_id)
    return [
        (line["quantity"], line["amount"])
        for invoice in invoices
        for line in invoice["lines"]["data"]
        if line["period"]
        == {"start": period.starts_at.timestamp(), "end": period.ends_at.timestamp()}
    ]


def assert_all_agree(sandbox: Sandbox, period: BillingPeriod, *, series: int, cents: int) -> None:
    """Assert that whoever holds the figure of a closed period holds the same."""
    statement = Statement.objects.get(period=period)
    assert (statement.series, statement.total_series) == (series, series + 20)
    assert statement.amount_cents == cents
    recount = recounting.recount(
        period.organization_id,
        start=period.starts_at,
        end=period.ends_at,
        basis=Basis(period.basis),
    )
    assert recount.billed == series
    closing = period.meter_events.get(reason=MeterEvent.Reason.CLOSE)
    assert closing.value == series
    assert closing.sent_at is not None
    assert held(sandbox, period) == series
    settlement = Settlement.objects.get(statement=statement)
    assert (settlement.agrees, settlement.amount_cents) == (True, cents)
    assert [figure.name for figure in reconciling.figures(period) if figure.agrees is False] == []


def lose_webhooks(sandbox: Sandbox) -> None:
    """Delete the endpoint at the sandbox, so that it delivers nothing."""
    (endpoint,) = sandbox.objects("webhook_endpoint")
    gateway.connect().delete_webhook_endpoint(str(endpoint["id"]))


def through_trial() -> BillingPeriod:
    """Move past the end of the trial and of what closing it waits for."""
    trial = open_period()
    advance(trial.ends_at + site_settings.BILLING_CLOSE_DELAY + MARGIN)
    return trial


def through_month() -> BillingPeriod:
    """Move past the end of the paid month, and past its invoice."""
    paid = open_period()
    advance(paid.ends_at + timedelta(hours=2))
    return paid


class TestFirstBill:
    def test_is_proven_from_checkout_to_invoice(
        self, customer: Customer, sandbox: Sandbox, run_worker: Worker
    ) -> None:
        with run_worker():
            customer.subscribe()
            report_twice(customer, IN_TRIAL)
            time_travel.wait_until_idle()
            hint = MeterEvent.objects.latest("timestamp")
            assert (hint.reason, hint.value) == ("hint", 300)
            assert hint.sent_at is not None
            assert hint.period is not None
            assert held(sandbox, hint.period) == 300
            assert customer.figure() == "300"

            trial = through_trial()
            assert Statement.objects.get().kind == "trial"
            report_twice(customer, IN_MONTH)
            paid = through_month()

        assert_all_agree(sandbox, trial, series=300, cents=0)
        assert_all_agree(sandbox, paid, series=260, cents=15000)
        assert (260, 15000) in invoiced(sandbox, paid)
        assert trial.ends_at == paid.starts_at
        sweeps = MeterEvent.objects.filter(reason="sweep")
        assert sweeps.filter(period=trial).count() == 3
        assert sweeps.filter(period=paid).count() == (paid.ends_at - paid.starts_at).days
        assert not MeterEvent.objects.filter(sent_at=None, superseded_at=None).exists()
        self.assert_webhooks_were_handled()
        self.assert_the_last_night_was_a_whole_one()
        shown = customer.newest_invoice()
        assert "Pro 260 $150.00 $0.00 Paid" in shown
        assert "at Stripe PDF" in shown

    def assert_the_last_night_was_a_whole_one(self) -> None:
        runs = ScheduledRun.objects.order_by("name", "-started_at").distinct("name")
        latest = {run.name: run for run in runs}
        assert latest.keys() == {"sweep", "days", "reconcile", "prune"}
        assert [run.failure for run in latest.values() if run.failure] == []
        assert Drift.objects.count() == 0

    def assert_webhooks_were_handled(self) -> None:
        receipts = WebhookReceipt.objects.all()
        assert {receipt.type for receipt in receipts} >= {
            "checkout.session.completed",
            "customer.subscription.created",
            "customer.subscription.updated",
            "invoice.created",
            "invoice.finalized",
            "invoice.paid",
        }
        assert [str(receipt) for receipt in receipts if receipt.handled_at is None] == []
        assert [receipt.failure for receipt in receipts if receipt.failure] == []

    def test_survives_a_worker_that_is_dead_in_the_trial(
        self, customer: Customer, sandbox: Sandbox, run_worker: Worker, tally: Tally
    ) -> None:
        customer.subscribe()
        report_twice(customer, IN_TRIAL)
        trial = open_period()
        # Nearly to its end: Stripe's clock goes on, and here nothing runs.
        sandbox.advance(int((trial.ends_at - timedelta(hours=26)).timestamp()))
        time_travel.follow()
        assert not MeterEvent.objects.exists()
        forget_hints(tally)

        with run_worker():
            advance(trial.ends_at - timedelta(hours=1))
            # The first post of the trial, and no hint caused it.
            assert MeterEvent.objects.earliest("timestamp").reason == "sweep"
            assert held(sandbox, trial) == 300
            through_trial()
            report_twice(customer, IN_MONTH)
            paid = through_month()

        assert not MeterEvent.objects.filter(period=trial, reason="hint").exists()
        assert_all_agree(sandbox, trial, series=300, cents=0)
        assert_all_agree(sandbox, paid, series=260, cents=15000)

    def test_survives_the_loss_of_every_webhook(
        self, customer: Customer, sandbox: Sandbox, run_worker: Worker
    ) -> None:
        lose_webhooks(sandbox)

        with run_worker():
            customer.subscribe()
            report_twice(customer, IN_TRIAL)
            trial = through_trial()
            report_twice(customer, IN_MONTH)
            paid = through_month()

        assert not WebhookReceipt.objects.exists()
        assert Checkout.objects.get().state == "completed"
        assert_all_agree(sandbox, trial, series=300, cents=0)
        assert_all_agree(sandbox, paid, series=260, cents=15000)

    @pytest.mark.parametrize("webhooks", [True, False], ids=["webhooks", "no webhooks"])
    def test_survives_a_customer_who_never_comes_back_from_checkout(
        self, customer: Customer, sandbox: Sandbox, run_worker: Worker, webhooks: bool
    ) -> None:
        if not webhooks:
            lose_webhooks(sandbox)

        with run_worker():
            customer.subscribe_and_vanish()
            advance(clock.now() + MARGIN)
            report_twice(customer, IN_TRIAL)
            trial = open_period()
            # And past its invoice, which is final an hour after it was made.
            advance(trial.ends_at + timedelta(hours=2))

        assert Checkout.objects.get().state == "completed"
        assert_all_agree(sandbox, trial, series=300, cents=0)
