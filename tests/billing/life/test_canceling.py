"""Ending a plan: with its period and back, and at once, with its last usage billed and proven."""

from datetime import timedelta

import pytest
from django.db import transaction

from bencher import clock
from bencher.tenancy import deletion
from bencher.tenancy.models import Organization, User
from billing import canceling, gateway, plans, posting, settlement, verification
from billing.models import BillingPeriod, Cancellation, MeterEvent, Plan, Settlement, Statement
from series.models import Fence, Project
from tests.billing.conftest import report
from tests.billing.life.conftest import MINUTE, Travel, at_stripe, invoices, send
from tests.stripe_sandbox import Fault, Sandbox

FAULTS = [Fault.UNAVAILABLE, Fault.TIMEOUT_BEFORE, Fault.TIMEOUT_AFTER, Fault.SERVER_ERROR_AFTER]


def begin(plan: Plan, by: User) -> Cancellation:
    return canceling.at_once(plan, by=by, reason="asked to", now=clock.now())


def post(plan: Plan) -> None:
    """Post the count as it is, and send it."""
    with transaction.atomic():
        posting.store([plan.pk], reason=MeterEvent.Reason.HINT, even_if_unchanged=False)
    send()


def go_on() -> int:
    """Let the timer run once: carry on, and send."""
    finished = canceling.go_on(now=clock.now())
    send()
    return finished


def waits_for() -> str:
    return Cancellation.objects.get().waits_for


class TestAtPeriodEnd:
    def test_ends_with_the_period_and_is_billed(
        self, shop: Sandbox, plan: Plan, travel: Travel
    ) -> None:
        ends_at = plan.periods.get().ends_at

        canceled = canceling.at_period_end(plan, cancel=True, now=clock.now())
        assert canceled.cancel_at_period_end
        assert canceled.ended_at is None

        travel(ends_at + MINUTE)
        ended = plans.sync(plan.stripe_subscription_id)
        assert ended.ended_at == ends_at
        assert BillingPeriod.objects.get().ends_at == ends_at

    def test_can_be_taken_back(self, shop: Sandbox, plan: Plan, travel: Travel) -> None:
        canceling.at_period_end(plan, cancel=True, now=clock.now())

        resumed = canceling.at_period_end(plan, cancel=False, now=clock.now())

        assert not resumed.cancel_at_period_end
        travel(plan.periods.get().ends_at + MINUTE)
        assert plans.sync(plan.stripe_subscription_id).ended_at is None
        assert BillingPeriod.objects.count() == 2

    def test_changes_nothing_where_stripe_fails(self, shop: Sandbox, plan: Plan) -> None:
        shop.faults.next("POST /v1/subscriptions/*", Fault.UNAVAILABLE, count=None)

        with pytest.raises(gateway.TemporaryError):
            canceling.at_period_end(plan, cancel=True, now=clock.now())
        assert not Plan.objects.get().cancel_at_period_end

    def test_refuses_what_has_ended(self, plan: Plan) -> None:
        plan.ended_at = clock.now()

        with pytest.raises(canceling.AlreadyEndedError):
            canceling.at_period_end(plan, cancel=True, now=clock.now())


class TestAtOnce:
    def test_cuts_the_period_at_a_whole_minute_just_ahead(
        self, plan: Plan, alice: User, engine: Project
    ) -> None:
        before = plan.periods.get()

        begun = begin(plan, alice)

        period = plan.periods.get()
        assert period.ends_at == begun.ends_at
        assert period.invoiced_until == before.ends_at
        assert begun.ends_at.second == begun.ends_at.microsecond == 0
        assert MINUTE < begun.ends_at - begun.requested_at <= 2 * MINUTE
        assert Fence.objects.get().at == begun.ends_at

    def test_nothing_enters_the_period_any_more(
        self, plan: Plan, alice: User, engine: Project, travel: Travel
    ) -> None:
        report(engine, 3)
        begun = begin(plan, alice)
        report(engine, 7, ago=timedelta(minutes=10))

        travel(begun.ends_at)
        go_on()

        assert Statement.objects.get().series == 3

    def test_is_invoiced_and_only_then_canceled(
        self, shop: Sandbox, plan: Plan, alice: User, engine: Project, travel: Travel
    ) -> None:
        report(engine, 5)
        begun = begin(plan, alice)

        assert go_on() == 0
        assert "where the last period ends" in waits_for()
        assert not Statement.objects.exists()
        travel(begun.ends_at)
        # Closed, and the closing value is still to be sent.
        assert go_on() == 0
        assert waits_for() == "1 meter events that are still to be sent."
        assert at_stripe(shop, plan.stripe_subscription_id)["status"] == "active"
        assert go_on() == 1

        (invoice,) = invoices(shop, plan.stripe_subscription_id)
        statement = Statement.objects.get()
        assert statement.series == 5
        assert MeterEvent.objects.get(reason="close").value == 5
        ended = Plan.objects.get()
        assert (ended.status, ended.cancellation.waits_for) == ("canceled", "")
        assert ended.cancellation.finished_at is not None
        # The draft becomes final, and agrees.
        verification.run(now=clock.now())
        travel(clock.now() + timedelta(days=2))
        settlement.settle_due(now=clock.now())
        settled = Settlement.objects.get()
        assert settled.stripe_invoice_id == invoice["id"]
        assert (settled.series, settled.amount_cents) == (5, statement.amount_cents)
        assert settled.agrees, settled.difference

    def test_the_closing_value_is_the_last_however_late_the_one_before_it(
        self, shop: Sandbox, plan: Plan, alice: User, engine: Project, travel: Travel
    ) -> None:
        # Past the half of the minute, where the closing event of that minute would lie.
        travel(clock.now().replace(second=45) + MINUTE)
        report(engine, 3)
        post(plan)
        report(engine, 5)

        travel(begin(plan, alice).ends_at)
        go_on()

        assert [event.value for event in MeterEvent.objects.order_by("timestamp")] == [3, 5]
        assert go_on() == 1

    def test_posts_nothing_of_a_period_that_is_cut(
        self, shop: Sandbox, plan: Plan, alice: User, engine: Project
    ) -> None:
        report(engine, 3)
        begin(plan, alice)
        # Seen again past the cut, the series have left the ledger of the period.
        report(engine, 3)

        post(plan)

        assert not MeterEvent.objects.exists()

    def test_waits_until_stripe_shows_the_count(
        self, shop: Sandbox, plan: Plan, alice: User, engine: Project, travel: Travel
    ) -> None:
        shop.switches.aggregation_lag_seconds = 300
        report(engine, 2)
        travel(begin(plan, alice).ends_at)
        go_on()

        assert go_on() == 0
        assert waits_for() == "Stripe's meter, which holds 0 for 2 series."
        travel(clock.now() + timedelta(minutes=6))
        assert go_on() == 1

    @pytest.mark.parametrize("fault", FAULTS)
    @pytest.mark.parametrize(
        "call",
        [
            "POST /v1/billing/meter_events",
            "GET /v1/billing/meters/*",
            "GET /v1/subscriptions/*",
            "DELETE /v1/subscriptions/*",
        ],
    )
    def test_goes_on_wherever_it_stopped(
        self,
        shop: Sandbox,
        plan: Plan,
        alice: User,
        engine: Project,
        travel: Travel,
        call: str,
        fault: Fault,
    ) -> None:
        shop.switches.timeout_seconds = 0
        report(engine, 4)
        travel(begin(plan, alice).ends_at)
        shop.faults.next(call, fault, count=3)

        # Back-off of the sender is on the real clock, so it is cut short.
        for _ in range(5):
            go_on()
            MeterEvent.objects.update(next_attempt_at=None)

        assert Cancellation.objects.get().finished_at is not None
        assert Plan.objects.get().status == "canceled"
        (invoice,) = invoices(shop, plan.stripe_subscription_id)
        lines = [line for line in invoice["lines"] if "_usage" in line]
        assert len(lines) == 1
        assert Statement.objects.get().series == 4

    def test_a_new_period_at_stripe_is_neither_opened_nor_billed(
        self, shop: Sandbox, plan: Plan, alice: User, engine: Project, travel: Travel
    ) -> None:
        # Stripe does not answer until its own period is over.
        own_end = plan.periods.get().ends_at
        report(engine, 4)
        begin(plan, alice)

        travel(own_end + timedelta(hours=1))
        plans.sync(plan.stripe_subscription_id)
        go_on()
        go_on()

        assert Cancellation.objects.get().finished_at is not None
        assert BillingPeriod.objects.count() == 1
        (invoice,) = invoices(shop, plan.stripe_subscription_id)
        assert invoice["period_end"] == int(own_end.timestamp())

    def test_in_a_trial_nothing_is_charged(
        self, shop: Sandbox, trial: Plan, alice: User, engine: Project, travel: Travel
    ) -> None:
        travel(clock.now() + timedelta(days=1))
        report(engine, 4)
        travel(begin(trial, alice).ends_at)
        go_on()

        assert go_on() == 1
        settlement.settle_due(now=clock.now())
        assert Statement.objects.get().amount_cents == 0
        assert Settlement.objects.get().agrees

    def test_twice_is_once(self, plan: Plan, alice: User) -> None:
        assert begin(plan, alice) == begin(plan, alice)

    def test_is_refused_in_the_last_minutes_of_a_period(
        self, plan: Plan, alice: User, travel: Travel
    ) -> None:
        travel(plan.periods.get().ends_at - MINUTE)

        with pytest.raises(canceling.PeriodEndsSoonError):
            begin(plan, alice)
        assert not Cancellation.objects.exists()

    def test_is_refused_while_an_ended_period_is_not_closed(
        self, plan: Plan, alice: User, travel: Travel
    ) -> None:
        travel(plan.periods.get().ends_at + MINUTE)
        plans.sync(plan.stripe_subscription_id)

        with pytest.raises(canceling.PeriodEndsSoonError):
            begin(plan, alice)


class TestWithOrganization:
    def test_the_plan_ends_first_and_is_billed(
        self, shop: Sandbox, plan: Plan, acme: Organization, alice: User, travel: Travel
    ) -> None:
        assert not deletion.delete(acme, now=clock.now(), by=alice)
        assert Organization.objects.filter(deleted_at=None).exists()

        travel(Cancellation.objects.get().ends_at)
        go_on()
        go_on()

        assert not Organization.objects.filter(deleted_at=None).exists()
        assert at_stripe(shop, plan.stripe_subscription_id)["status"] == "canceled"
        assert len(invoices(shop, plan.stripe_subscription_id)) == 1

    def test_stops_where_stripe_fails(
        self, shop: Sandbox, plan: Plan, acme: Organization, alice: User
    ) -> None:
        shop.faults.next("GET /v1/subscriptions/*", Fault.UNAVAILABLE, count=None)

        with pytest.raises(deletion.UnavailableError, match="Nothing was changed"):
            deletion.delete(acme, now=clock.now(), by=alice)
        assert not Cancellation.objects.exists()

    def test_goes_at_once_without_a_plan(self, acme: Organization, alice: User) -> None:
        assert deletion.delete(acme, now=clock.now(), by=alice)
