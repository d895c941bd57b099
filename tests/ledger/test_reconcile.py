"""Every figure altered by one, wherever it is held: the next run says so, and why."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from bencher import clock, time_travel
from billing import close, gateway, outbox, posting, reconcile, tasks
from billing.models import BillingPeriod, Drift, MeterEvent, ScheduledRun, Settlement, Statement
from billing.reconcile import Checked
from ingest.models import Report
from series import models as series_models
from series import projects
from series.models import SeriesLastSeen, Visibility
from tests.billing.conftest import report
from tests.factories import NOV, make_user
from tests.ledger.conftest import HOUR, Customer, subscribe
from tests.ledger.tampering import tamper
from tests.staffing import desk_of
from tests.stripe_sandbox import Sandbox

pytestmark = pytest.mark.django_db


def differing() -> list[Checked]:
    """Reconcile now and return the periods that differ."""
    return [checked for checked in reconcile.run(now=clock.now()) if checked.differences]


def found() -> list[tuple[str, str]]:
    """Reconcile now and return reason and sentence of each difference of the only one."""
    (checked,) = differing()
    return [(difference.reason, difference.sentence) for difference in checked.differences]


def add_ledger_row(customer: Customer) -> None:
    row = SeriesLastSeen.objects.filter(project=customer.project).latest("last_seen")
    row.testbed = series_models.Testbed.objects.create(
        project=customer.project, name="g", slug="g", created_at=NOV, modified_at=NOV
    )
    row.save(force_insert=True)


def move_ledger_row(customer: Customer) -> None:
    row = SeriesLastSeen.objects.filter(last_seen__gte=customer.running.starts_at).first()
    assert row is not None
    SeriesLastSeen.objects.filter(pk=row.pk).update(last_seen=customer.running.starts_at - HOUR)


def swap_ledger_rows(customer: Customer) -> None:
    """Add a row and take another one out, so that the count stays what it was."""
    add_ledger_row(customer)
    move_ledger_row(customer)


def shift_ledger_row(customer: Customer) -> None:
    """Move a row within the period, by as little as can be."""
    row = SeriesLastSeen.objects.filter(project=customer.project).latest("last_seen")
    row.last_seen -= timedelta(microseconds=1)
    row.save(update_fields=["last_seen"])


def latest_event(period: BillingPeriod) -> MeterEvent:
    return period.meter_events.filter(superseded_at=None).latest("timestamp")


def post_stray(customer: Customer, period: BillingPeriod, value: int) -> None:
    """Post an event that we did not store, as another program with the key would."""
    gateway.connect().post_meter_event(
        event_name="active_series",
        customer_id=customer.organization.billing_customer.stripe_customer_id,
        value=value,
        timestamp=latest_event(period).timestamp + timedelta(seconds=1),
        identifier=f"stray-{value}",
    )


def post(customer: Customer) -> None:
    """Count, store and send, as after a report."""
    with transaction.atomic():
        posting.store([customer.plan.pk], reason=MeterEvent.Reason.HINT, even_if_unchanged=False)
    outbox.send(gateway.connect(), per_second=1000)


class TestAgreement:
    def test_nothing_differs_where_nothing_was_altered(self, customer: Customer) -> None:
        checked = list(reconcile.run(now=clock.now()))

        assert [one.period.kind for one in checked] == ["trial", "paid"]
        assert [one.differences for one in checked] == [[], []]
        trial, paid = (one.shown() for one in checked)
        assert (trial["recount"], trial["posted"], trial["stripe"]) == (5, 5, 5)
        assert trial["statement"] == 5
        assert (paid["count"], paid["recount"], paid["posted"], paid["stripe"]) == (4, 4, 4, 4)
        assert not Drift.objects.exists()

    def test_of_a_paid_period_with_its_invoice(self, customer: Customer) -> None:
        customer.end_period()

        paid = list(reconcile.run(now=clock.now()))[1]

        assert paid.differences == []
        assert paid.stripe is not None
        assert paid.stripe.invoiced is not None
        assert (paid.stripe.invoiced.series, paid.stripe.invoiced.amount_cents) == (4, 10000)

    def test_a_flip_after_the_close_is_no_drift(self, customer: Customer) -> None:
        customer.end_period()
        projects.set_visibility(customer.project, Visibility.PUBLIC, now=clock.now(), by=None)

        assert differing() == []

    def test_what_was_reported_since_the_post_is_no_drift(self, customer: Customer) -> None:
        report(customer.project, 6)

        assert differing() == []

    def test_neither_is_what_was_reported_since_and_dated_before(self, customer: Customer) -> None:
        counted_at = latest_event(customer.running).counted_at
        assert counted_at is not None
        report(customer.project, 6, ago=clock.now() - counted_at + HOUR / 2)

        assert differing() == []

    def test_neither_is_what_was_received_before_the_count_and_stored_after_it(
        self, customer: Customer
    ) -> None:
        counted_at = latest_event(customer.running).counted_at
        assert counted_at is not None
        uuid = report(customer.project, 6)
        received_at = counted_at - timedelta(seconds=5)
        Report.objects.filter(uuid=uuid).update(received_at=received_at, seen_at=received_at)

        assert {found.reason for one in differing() for found in one.differences} <= {"ledger"}

    @pytest.mark.parametrize("moment", ["before Stripe is asked", "after Stripe was asked"])
    def test_neither_is_what_is_posted_while_it_runs(
        self, customer: Customer, monkeypatch: pytest.MonkeyPatch, moment: str
    ) -> None:
        ask = reconcile.Stripe.summary

        def summary(stripe: reconcile.Stripe, period: BillingPeriod) -> int:
            if period != customer.running:
                return ask(stripe, period)
            held = ask(stripe, period)
            report(customer.project, 6)
            post(customer)
            return held if moment.startswith("after") else ask(stripe, period)

        monkeypatch.setattr(reconcile.Stripe, "summary", summary)

        assert differing() == []
        assert latest_event(customer.running).value == 6

    def test_a_period_that_ends_while_it_runs_is_not_counted_from_the_ledger(
        self, customer: Customer
    ) -> None:
        began_at = customer.running.ends_at - timedelta(minutes=1)
        customer.sandbox.advance(int((began_at + 2 * timedelta(minutes=1)).timestamp()))
        time_travel.follow()
        report(customer.project, 4)

        checked = list(reconcile.run(now=began_at))

        assert [one.differences for one in checked] == [[], []]


ALTERED: dict[str, tuple[Callable[[Customer], Any], str]] = {
    "ledger +1": (add_ledger_row, "ledger"),
    "ledger -1": (move_ledger_row, "ledger"),
    "ledger +1 and -1": (swap_ledger_rows, "ledger"),
    "a row's instant": (shift_ledger_row, "ledger"),
    "outbox +1": (
        lambda acme: tamper(
            "billing_meterevent",
            "SET value = value + 1 WHERE id = %s",
            latest_event(acme.running).pk,
        ),
        "outbox",
    ),
    "outbox -1": (
        lambda acme: tamper(
            "billing_meterevent",
            "SET value = value - 1 WHERE id = %s",
            latest_event(acme.running).pk,
        ),
        "outbox",
    ),
    "Stripe's meter +1": (lambda acme: post_stray(acme, acme.running, 5), "stripe"),
    "Stripe's meter -1": (lambda acme: post_stray(acme, acme.running, 3), "stripe"),
}


@pytest.mark.parametrize("name", ALTERED)
class TestRunningPeriod:
    def test_a_figure_that_was_altered_by_one_is_found(self, customer: Customer, name: str) -> None:
        alter, reason = ALTERED[name]
        alter(customer)

        # A row of the ledger that was moved is missed where it was, in an earlier period too.
        assert differing()[-1].period == customer.running
        drift = Drift.objects.get(period=customer.running)
        assert (drift.reason, drift.resolved_at) == (reason, None)


def alter_invoice(customer: Customer, **change: int) -> None:
    """Change the line of the latest final invoice at the sandbox."""
    with customer.sandbox.transaction(writes=True) as world:
        for invoice in world.state.tables["invoice"].values():
            for line in invoice["lines"]:
                if line["period"]["start"] == customer.closed.starts_at.timestamp():
                    for name, by in change.items():
                        line[name] += by


CLOSED: dict[str, tuple[Callable[[Customer], Any], str]] = {
    "statement +1": (
        lambda acme: tamper(
            "billing_statement", "SET total_series = total_series + 1, series = series + 1"
        ),
        "recount",
    ),
    "statement -1": (lambda _: tamper("billing_statement", "SET series = series - 1"), "recount"),
    "a line's instant": (
        lambda _: tamper(
            "billing_statementline",
            "SET last_seen_at = last_seen_at + interval '1 s' WHERE id ="
            " (SELECT max(id) FROM billing_statementline)",
        ),
        "evidence",
    ),
    "closing event +1": (
        lambda acme: tamper(
            "billing_meterevent",
            "SET value = value + 1 WHERE id = %s",
            latest_event(acme.closed).pk,
        ),
        "outbox",
    ),
    "Stripe's meter +1": (lambda acme: post_stray(acme, acme.closed, 5), "stripe"),
    "Stripe's meter -1": (lambda acme: post_stray(acme, acme.closed, 3), "stripe"),
    "invoiced series +1": (lambda acme: alter_invoice(acme, quantity=1), "invoice"),
    "invoiced series -1": (lambda acme: alter_invoice(acme, quantity=-1), "invoice"),
    "invoiced amount +1": (lambda acme: alter_invoice(acme, amount=1), "invoice"),
    "invoiced amount -1": (lambda acme: alter_invoice(acme, amount=-1), "invoice"),
    "settled series +1": (
        lambda _: tamper("billing_settlement", "SET series = series + 1"),
        "settlement",
    ),
    "settled amount -1": (
        lambda _: tamper(
            "billing_settlement", "SET amount_cents = amount_cents - 1 WHERE amount_cents > 0"
        ),
        "settlement",
    ),
}


class TestClosedPeriod:
    @pytest.mark.parametrize("name", CLOSED)
    def test_a_figure_that_was_altered_by_one_is_found(self, customer: Customer, name: str) -> None:
        customer.end_period()
        assert differing() == []
        alter, reason = CLOSED[name]
        alter(customer)

        differing()

        drift = Drift.objects.get(period=customer.closed)
        assert drift.reason == reason

    def test_a_row_of_the_ledger_that_was_moved_is_found(self, customer: Customer) -> None:
        customer.end_period()
        row = SeriesLastSeen.objects.filter(last_seen__gte=customer.closed.starts_at).first()
        assert row is not None
        row.last_seen -= timedelta(microseconds=1)
        row.save(update_fields=["last_seen"])

        assert found() == [("ledger", "1 series was last seen at another instant by the reports.")]

    def test_a_report_that_vanished_is_found(self, customer: Customer) -> None:
        customer.end_period()
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE ingest_metriccolumn SET benchmark_ids = benchmark_ids[:3],"
                " values = values[:3], lower_values = lower_values[:3],"
                " upper_values = upper_values[:3]"
            )

        assert {checked.period.kind for checked in differing()} == {"trial", "paid"}

        assert set(Drift.objects.values_list("reason", flat=True)) <= {"recount", "ledger"}

    def test_a_missing_settlement_is_found_once_it_is_late(self, customer: Customer) -> None:
        customer.end_period()
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("ALTER TABLE billing_settlement DISABLE TRIGGER USER")
        Settlement.objects.filter(statement__period=customer.closed).delete()
        assert differing() == []

        late = list(reconcile.run(now=clock.now() + timedelta(days=5)))

        reasons = {
            d.reason for one in late if one.period == customer.closed for d in one.differences
        }
        assert reasons == {"not-settled"}


def test_the_invoices_of_a_subscription_are_asked_for_once(customer: Customer) -> None:
    """Whatever number of its periods was closed; each list of one has all its invoices."""
    customer.end_period()
    other = subscribe("globex", customer.sandbox)
    report(other.project, 3)
    other.end_period()
    before = len(customer.sandbox.requests)

    closed = [
        checked
        for checked in reconcile.run(now=clock.now())
        if checked.period.state != BillingPeriod.State.OPEN
    ]

    assert [one.period.organization for one in closed] == [
        customer.organization,
        customer.organization,
        other.organization,
    ]
    assert [one for one in closed if one.differences or one.unknown] == []
    asked = [
        call.params["subscription"]
        for call in customer.sandbox.requests[before:]
        if call.path == "/v1/invoices"
    ]
    assert asked == [customer.plan.stripe_subscription_id, other.plan.stripe_subscription_id]


class TestReasons:
    def test_what_was_sent_first_is_pending_too(self, customer: Customer) -> None:
        (event,) = customer.running.meter_events.all()
        with customer.sandbox.transaction(writes=True) as world:
            for kept in world.state.usage.values():
                kept.pop()
        now = clock.now()

        for minutes, reasons in [(19, []), (21, ["stripe"])]:
            MeterEvent.objects.filter(pk=event.pk).update(sent_at=now - timedelta(minutes=minutes))
            checked = list(reconcile.run(now=now))[-1]
            assert [difference.reason for difference in checked.differences] == reasons

    def test_what_was_sent_just_now_is_pending(self, customer: Customer) -> None:
        event = latest_event(customer.running)
        older = MeterEvent.objects.get(pk=event.pk)
        older.pk, older.identifier = None, "older"
        older.reason, older.sweep_date = MeterEvent.Reason.HINT, None
        older.timestamp, older.value = event.timestamp - HOUR, 3
        older.save()
        # As if Stripe had the older value and not yet the newer one.
        with customer.sandbox.transaction(writes=True) as world:
            for kept in world.state.usage.values():
                kept[-1].value = 3
        now = clock.now()

        for minutes, reasons in [(19, []), (21, ["stripe"])]:
            MeterEvent.objects.filter(pk=event.pk).update(sent_at=now - timedelta(minutes=minutes))
            checked = list(reconcile.run(now=now))[-1]
            assert [difference.reason for difference in checked.differences] == reasons

    def test_what_has_arrived_before_its_answer_is_no_drift(self, customer: Customer) -> None:
        now = clock.now()
        sending = MeterEvent.objects.filter(pk=latest_event(customer.running).pk)
        sending.update(sent_at=None, claimed_at=now, counted_at=now)

        assert differing() == []

    @pytest.mark.parametrize(
        ("states", "reason"),
        [
            ({"sent_at": None, "rejected_at": True}, "rejected"),
            ({"sent_at": None}, "not-delivered"),
        ],
    )
    def test_an_event_that_did_not_arrive_is_the_cause(
        self, customer: Customer, states: dict[str, Any], reason: str
    ) -> None:
        now = clock.now()
        MeterEvent.objects.filter(pk=latest_event(customer.running).pk).update(
            **{name: now if state else None for name, state in states.items()}
        )

        assert found()[0][0] == reason

    def test_a_flip_since_the_post_is_the_cause(self, customer: Customer) -> None:
        projects.set_visibility(customer.project, Visibility.PUBLIC, now=clock.now(), by=None)

        assert found() == [
            ("project-changed", "The value stored last is 4, the reports say 0."),
        ]

    def test_a_forgotten_period_is_found_after_a_night_and_a_half(self, customer: Customer) -> None:
        MeterEvent.objects.filter(period=customer.running).delete()
        starts_at = customer.running.starts_at

        early, late = (
            {d.reason for one in reconcile.run(now=starts_at + after) for d in one.differences}
            for after in (timedelta(hours=35), timedelta(hours=37))
        )

        assert "not-posted" not in early
        assert "not-posted" in late

    def test_a_period_that_does_not_close_is_found(
        self, customer: Customer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(close, "close_due", lambda **_: [])
        customer.end_period()

        assert found()[0] == ("not-closed", "The period has ended and is not closed.")


class TestRows:
    def test_resolve_when_the_drift_is_gone_and_are_new_when_it_comes_back(
        self, customer: Customer
    ) -> None:
        event = latest_event(customer.running)
        for value in (5, 5, 4, 5):
            tamper("billing_meterevent", "SET value = %s WHERE id = %s", value, event.pk)
            differing()

        first, second = Drift.objects.order_by("id")
        assert first.found_at < first.checked_at
        assert first.resolved_at is not None
        assert second.resolved_at is None

    def test_nothing_is_corrected(self, customer: Customer) -> None:
        tamper(
            "billing_meterevent",
            "SET value = value + 1 WHERE id = %s",
            latest_event(customer.running).pk,
        )
        before = [list(model.objects.values()) for model in (MeterEvent, Statement, Settlement)]

        differing()

        assert before == [
            list(model.objects.values()) for model in (MeterEvent, Statement, Settlement)
        ]

    def test_statements_do_not_grow_with_the_periods(
        self, customer: Customer, shop: Sandbox
    ) -> None:
        def statements() -> int:
            with CaptureQueriesContext(connection) as captured:
                list(reconcile.run(now=clock.now()))
            return len(captured)

        two_periods = statements()
        subscribe("globex", shop).night()

        assert statements() == two_periods

    def test_stripe_failing_for_one_does_not_stop_the_others(
        self, customer: Customer, shop: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        globex = subscribe("globex", shop)
        report(globex.project, 2)
        globex.night()
        globex.go_to(clock.now() + HOUR)
        post_stray(globex, globex.running, 3)
        post_stray(customer, customer.running, 5)
        ask = reconcile.Stripe.of

        def fail(stripe: reconcile.Stripe, period: BillingPeriod) -> Any:
            if period.organization_id == customer.organization.pk:
                raise gateway.TemporaryError("Stripe is down", {"status": 500})
            return ask(stripe, period)

        with monkeypatch.context() as patch:
            patch.setattr(reconcile.Stripe, "of", fail)
            checked = list(reconcile.run(now=clock.now()))

        assert [one.unknown for one in checked] == ["Stripe", "Stripe", ""]
        assert Drift.objects.get().organization == globex.organization

    def test_what_is_unknown_resolves_nothing(
        self, customer: Customer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        post_stray(customer, customer.running, 5)
        differing()
        monkeypatch.setattr(
            gateway, "connect", lambda: (_ for _ in ()).throw(gateway.NotConfiguredError("no key"))
        )

        list(reconcile.run(now=clock.now()))

        assert Drift.objects.get().resolved_at is None


class TestCommand:
    def call(self, *arguments: str) -> tuple[int, str]:
        output = StringIO()
        try:
            call_command("reconcile", *arguments, stdout=output)
        except SystemExit as left:
            return int(str(left.code)), output.getvalue()
        return 0, output.getvalue()

    def test_exits_0_where_all_agrees(self, customer: Customer) -> None:
        assert self.call() == (0, "2 periods compared, 0 differ, 0 not fully known\n")

    def test_is_the_nights_run_only_where_it_looks_at_all(self, customer: Customer) -> None:
        self.call("acme")
        assert not ScheduledRun.objects.exists()

        self.call()
        run = ScheduledRun.objects.get()
        assert (run.name, run.result) == ("reconcile", {"periods": 2, "differ": 0, "unknown": 0})
        assert run.finished_at is not None

    def test_exits_1_and_says_what_differs(self, customer: Customer) -> None:
        post_stray(customer, customer.running, 5)

        code, output = self.call("acme")

        assert code == 1
        assert "Stripe's meter holds 5, delivered was 4." in output
        assert "2 periods compared, 1 differ, 0 not fully known" in output

    def test_prints_a_line_of_json_for_each_period(self, customer: Customer) -> None:
        post_stray(customer, customer.running, 5)

        code, output = self.call("--json")

        lines = [json.loads(line) for line in output.splitlines()]
        assert (code, len(lines)) == (1, 2)
        assert [line["figures"]["stripe"] for line in lines] == [5, 5]
        assert lines[1]["differences"] == [
            {"reason": "stripe", "difference": "Stripe's meter holds 5, delivered was 4."}
        ]


def test_staff_see_it_on_the_plan_and_in_a_list(customer: Customer) -> None:
    post_stray(customer, customer.running, 5)
    differing()
    desk = desk_of(make_user("sam", is_staff=True))

    plans = desk.get("/admin/billing/plan/").content.decode()
    (address,) = re.findall(r'href="(/admin/billing/drift/[^"]+)"', plans)
    drifts = desk.get(address.replace("&amp;", "&")).content.decode()

    assert "Stripe&#x27;s meter holds another value" in plans
    assert "Stripe&#x27;s meter holds 5, delivered was 4." in drifts


def test_the_nightly_run_is_recorded(customer: Customer) -> None:
    post_stray(customer, customer.running, 5)

    tasks.nightly_reconcile()

    assert ScheduledRun.objects.get().result == {"periods": 2, "differ": 1, "unknown": 0}
