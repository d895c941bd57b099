"""Verifying a closed period at Stripe before its invoice is final: moved out, proven, moved in."""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bencher import clock, time_travel
from billing import close, gateway, outbox, plans, settlement, verification
from billing.drift import LAG
from billing.models import BillingPeriod, MeterEvent, Settlement, Statement, Verification
from tests.ledger.conftest import Customer

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def move(customer: Customer, to: datetime) -> datetime:
    """Move both clocks, and follow Stripe; nothing is closed, sent or verified."""
    customer.sandbox.advance(int(to.timestamp()))
    time_travel.follow()
    plans.sync(customer.plan.stripe_subscription_id)
    return clock.now()


def close_and_send(now: datetime) -> None:
    list(close.close_due(now=now))
    outbox.send(gateway.connect(), per_second=1000)


def invoice_of(customer: Customer, period: BillingPeriod) -> dict[str, Any]:
    """Return the sandbox's invoice for a period, as an outsider sees it."""
    wanted = int(period.ends_at.timestamp())
    (found,) = (
        invoice
        for invoice in customer.sandbox.objects("invoice")
        if any(line["period"]["end"] == wanted for line in invoice["lines"])
        and invoice["billing_reason"] == "subscription_cycle"
    )
    return found


def finalizes(invoice: dict[str, Any]) -> datetime:
    return datetime.fromtimestamp(invoice["automatically_finalizes_at"], tz=UTC)


def lose_closing_events(customer: Customer) -> None:
    """Let Stripe forget closing events that it has accepted."""
    closing = set(MeterEvent.objects.filter(reason="close").values_list("identifier", flat=True))
    for events in customer.sandbox.state.usage.values():
        events[:] = [event for event in events if event.identifier not in closing]


@pytest.fixture
def period(customer: Customer) -> BillingPeriod:
    """Return the paid period that runs."""
    return customer.running


class TestInvoice:
    def test_is_postponed_as_soon_as_the_period_has_ended(
        self, customer: Customer, period: BillingPeriod
    ) -> None:
        now = move(customer, period.ends_at + MINUTE)
        own = finalizes(invoice_of(customer, period))

        verification.run(now=now)

        assert finalizes(invoice_of(customer, period)) == own + verification.POSTPONED_BY
        row = Verification.objects.get(period=period)
        assert (row.postponed_at, row.verified_at, row.done_at) == (now, None, None)
        assert row.finalizes_at == own + verification.POSTPONED_BY

    def test_is_postponed_once_whatever_crashes(
        self, customer: Customer, period: BillingPeriod
    ) -> None:
        now = move(customer, period.ends_at + MINUTE)
        own = finalizes(invoice_of(customer, period))

        for _ in range(2):
            verification.run(now=now)
            # As where the answer was lost: Stripe has done it and we do not know.
            Verification.objects.all().delete()

        assert finalizes(invoice_of(customer, period)) == own + verification.POSTPONED_BY

    def test_comes_back_with_the_hash_once_it_is_verified(
        self, customer: Customer, period: BillingPeriod
    ) -> None:
        now = move(customer, period.ends_at + MINUTE)
        own = finalizes(invoice_of(customer, period))
        verification.run(now=now)
        now = move(customer, period.ends_at + 11 * MINUTE)
        close_and_send(now)

        assert verification.run(now=now).verified == 1

        invoice = invoice_of(customer, period)
        statement = Statement.objects.get(period=period)
        assert finalizes(invoice) == own
        assert invoice["metadata"]["bencher_evidence_sha256"] == statement.evidence_sha256
        assert invoice["metadata"]["bencher_statement"] == str(statement.uuid)
        row = Verification.objects.get(period=period)
        assert (row.verified_at, row.noted_at, row.released_at, row.done_at) == (now,) * 4
        assert row.held == statement.series == 4

    def test_comes_back_soon_where_its_own_instant_has_passed(
        self, customer: Customer, period: BillingPeriod
    ) -> None:
        verification.run(now=move(customer, period.ends_at + MINUTE))
        now = move(customer, period.ends_at + 5 * HOUR)
        close_and_send(now)

        verification.run(now=now)

        wanted = now + verification.RELEASED_IN
        assert abs(finalizes(invoice_of(customer, period)) - wanted) < timedelta(seconds=2)

    def test_bills_the_statement_in_the_end(
        self, customer: Customer, period: BillingPeriod
    ) -> None:
        verification.run(now=move(customer, period.ends_at + MINUTE))
        now = move(customer, period.ends_at + 11 * MINUTE)
        close_and_send(now)
        verification.run(now=now)

        settlement.settle_due(now=move(customer, period.ends_at + 3 * HOUR))

        assert Settlement.objects.get(statement__period=period).agrees
        period.refresh_from_db()
        assert period.state == BillingPeriod.State.SETTLED

    def test_is_looked_at_no_more_when_all_is_done(
        self, customer: Customer, period: BillingPeriod
    ) -> None:
        now = move(customer, period.ends_at + 11 * MINUTE)
        close_and_send(now)
        verification.run(now=now)
        asked = len(customer.sandbox.requests)

        assert verification.run(now=now + HOUR) == verification.Round()
        assert len(customer.sandbox.requests) == asked


class TestVerify:
    def closed(self, customer: Customer, period: BillingPeriod) -> datetime:
        verification.run(now=move(customer, period.ends_at + MINUTE))
        now = move(customer, period.ends_at + 11 * MINUTE)
        list(close.close_due(now=now))
        return now

    def test_waits_for_the_closing_event_although_the_value_was_posted_before(
        self, customer: Customer, period: BillingPeriod
    ) -> None:
        now = self.closed(customer, period)

        assert verification.run(now=now).verified == 0
        assert Verification.objects.get(period=period).held == 4

        outbox.send(gateway.connect(), per_second=1000)
        assert verification.run(now=now + MINUTE).verified == 1

    def test_sends_again_what_stripe_accepted_and_lost(
        self, customer: Customer, period: BillingPeriod
    ) -> None:
        customer.organization.projects.update(visibility="public")
        now = self.closed(customer, period)
        outbox.send(gateway.connect(), per_second=1000)
        lose_closing_events(customer)
        # The value before it still stands, and it is a wrong one.
        assert verification.run(now=now).resent == 0

        now = move(customer, now + LAG + MINUTE)
        assert verification.run(now=now).resent == 1

        first, second = period.meter_events.filter(reason="close").order_by("timestamp")
        assert second.timestamp - first.timestamp == timedelta(seconds=1)
        assert second.timestamp.replace(second=0) == first.timestamp.replace(second=0)
        assert (second.value, second.identifier != first.identifier) == (first.value, True)
        outbox.send(gateway.connect(), per_second=1000)
        assert verification.run(now=now + MINUTE).verified == 1
        assert Verification.objects.get(period=period).resends == 1

    def test_sends_again_within_the_minute_only(
        self, customer: Customer, period: BillingPeriod
    ) -> None:
        customer.organization.projects.update(visibility="public")
        now = self.closed(customer, period)
        for _ in range(35):
            outbox.send(gateway.connect(), per_second=1000)
            lose_closing_events(customer)
            now += LAG + HOUR
            verification.run(now=now)

        stamps = period.meter_events.filter(reason="close").values_list("timestamp", flat=True)
        assert len(stamps) == 30
        assert {stamp.replace(second=0) for stamp in stamps} == {
            period.ends_at.replace(second=0, microsecond=0) - MINUTE
        }

    def test_says_loudest_what_is_about_to_be_final_unverified(
        self, customer: Customer, period: BillingPeriod, caplog: pytest.LogCaptureFixture
    ) -> None:
        now = self.closed(customer, period)
        verification.run(now=now)
        assert not [record for record in caplog.records if record.levelno == logging.CRITICAL]
        final = Verification.objects.get(period=period).finalizes_at
        assert final is not None
        assert verification.seconds_to_unverified_invoice(now=final - HOUR) == 3600

        verification.run(now=move(customer, final - HOUR))

        assert "an invoice is about to be final unverified" in caplog.messages

    def test_says_so_when_one_became_final(
        self, customer: Customer, period: BillingPeriod, caplog: pytest.LogCaptureFixture
    ) -> None:
        self.closed(customer, period)
        now = move(customer, period.ends_at + 2 * DAY)

        verification.run(now=now)

        assert "an invoice is final and was not verified" in caplog.messages
        assert Verification.objects.get(period=period).passed_unverified_at == now
        assert verification.seconds_to_unverified_invoice(now=now) is None

    def test_stripe_failing_changes_nothing_and_is_asked_again(
        self, customer: Customer, period: BillingPeriod, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = self.closed(customer, period)
        outbox.send(gateway.connect(), per_second=1000)

        def down(*_: Any, **__: Any) -> Any:
            raise gateway.TemporaryError("no answer", {"status": None})

        with monkeypatch.context() as patch:
            patch.setattr(gateway.Gateway, "summary", down)
            assert verification.run(now=now).failed == 1
        row = Verification.objects.get(period=period)
        assert (row.verified_at, row.failure) == (None, "no answer")

        assert verification.run(now=now + MINUTE).verified == 1
        assert Verification.objects.get(period=period).failure == ""

    def test_a_period_closed_while_nothing_was_billed_is_left_alone(
        self, customer: Customer, period: BillingPeriod, settings: Any
    ) -> None:
        now = move(customer, period.ends_at + 11 * MINUTE)
        settings.ACTIVE_SERIES_PRODUCT = ""
        list(close.close_due(now=now))

        assert verification.run(now=now) == verification.Round()
