"""Each tile's figure is the number of rows that it leads to, among others that are much alike."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from bencher.tenancy.models import User
from billing import correcting
from billing.models import (
    BillingPeriod,
    Cancellation,
    CorrectionDecision,
    Drift,
    Freeze,
    MeterEvent,
    Plan,
    ScheduledRun,
    Settlement,
    Statement,
    Status,
    Verification,
    WebhookReceipt,
)
from tests import factories
from tests.admin.conftest import Front
from tests.admin.rows import NOW, make_minutes
from tests.pages import accounts
from tests.pages.reading import soup, words

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
State = BillingPeriod.State


def make_plan(name: str) -> Plan:
    """Create a live Pro plan of an organization of its own."""
    leader = factories.make_user(f"leader-of-{name}".lower())
    return factories.make_plan(factories.make_organization(name, leader=leader))


def make_event(plan: Plan, *, at: datetime = NOW - HOUR, **more: Any) -> MeterEvent:
    """Store a value of a plan's November, which is made where there is none."""
    period = plan.periods.filter(starts_at=factories.NOV).first() or accounts.make_november(plan)
    event = accounts.make_event(period, 40, at=at)
    MeterEvent.objects.filter(pk=event.pk).update(**more)
    return event


def make_statement(name: str, *, state: State) -> Statement:
    """Close a plan's October; its period is that far."""
    statement = accounts.make_october_statement(make_plan(name), series=1, amount_cents=10000)
    BillingPeriod.objects.filter(pk=statement.period_id).update(state=state)
    return statement


def make_verification(statement: Statement, **more: Any) -> Verification:
    """Let a statement be on its way to its invoice."""
    return Verification.objects.create(
        period=statement.period, checked_at=NOW, next_check_at=NOW, **more
    )


def make_drift(period: BillingPeriod, reason: Drift.Reason, **more: Any) -> None:
    """Let figures of a period differ."""
    Drift.objects.create(
        organization=period.organization,
        period=period,
        reason=reason,
        differences="They differ.",
        figures={},
        found_at=NOW,
        checked_at=NOW,
        **more,
    )


def outbox() -> None:
    """Two events go out, three are held back, and three that were refused are for people."""
    acme = make_plan("Acme")
    make_event(acme)
    make_minutes(acme, at=NOW - HOUR)
    make_event(acme, at=NOW - 2 * HOUR, sent_at=NOW)
    make_event(acme, at=NOW - 3 * HOUR, superseded_at=NOW)

    frozen = make_plan("Frozen")
    Freeze.objects.create(organization=frozen.organization, reason="asked", begun_at=NOW)
    make_event(frozen)
    make_minutes(frozen, at=NOW - HOUR, held_at=NOW)
    make_event(make_plan("Held"), held_at=NOW)
    thawed = make_plan("Thawed")
    Freeze.objects.create(
        organization=thawed.organization, reason="asked", begun_at=NOW, ended_at=NOW
    )
    make_event(thawed, sent_at=NOW)

    refused = make_plan("Refused")
    make_event(refused, at=NOW - 2 * HOUR, rejected_at=NOW)
    make_event(refused, at=NOW - HOUR, rejected_at=NOW, expired_at=NOW)
    make_minutes(refused, at=NOW - HOUR, rejected_at=NOW - 61 * DAY)
    make_minutes(refused, at=NOW - HOUR, rejected_at=NOW - 63 * DAY)
    mended = make_plan("Mended")
    make_event(mended, at=NOW - 2 * HOUR, rejected_at=NOW)
    make_event(mended, at=NOW - HOUR, sent_at=NOW)
    settled = make_statement("Settled", state=State.SETTLED)
    event = accounts.make_event(settled.period, 1, at=factories.NOV - HOUR)
    MeterEvent.objects.filter(pk=event.pk).update(rejected_at=NOW)

    make_minutes(acme, at=NOW - 25 * HOUR, undecided_at=NOW)
    make_minutes(acme, at=NOW - 26 * HOUR, undecided_at=NOW, sent_at=NOW)


def plans() -> None:
    """Two plans are past due, one is held, one is being canceled, and others were."""
    for status in (Status.PAST_DUE, Status.UNPAID, Status.PAUSED):
        Plan.objects.filter(pk=make_plan(status.value).pk).update(status=status)
    Plan.objects.filter(pk=make_plan("Gone").pk).update(
        status=Status.UNPAID, held_at=NOW, ended_at=NOW
    )
    Plan.objects.filter(pk=make_plan("Changed").pk).update(held_at=NOW)
    for name, finished_at in {"Leaving": None, "Left": NOW}.items():
        Cancellation.objects.create(
            plan=make_plan(name),
            reason="asked",
            requested_at=NOW - 2 * HOUR,
            ends_at=NOW - 2 * HOUR,
            finished_at=finished_at,
        )


def bills() -> None:
    """One period is to be closed; two counts were not seen, one of which is a draft."""
    for name, ends_at in {"Due": NOW - MINUTE, "Runs": NOW + MINUTE}.items():
        factories.make_period(make_plan(name), starts_at=factories.NOV, ends_at=ends_at)
    # Ended, and not closed: it has no statement that could be seen.
    due = factories.make_period(make_plan("Open"), starts_at=accounts.OCT, ends_at=factories.NOV)
    Verification.objects.create(period=due, checked_at=NOW, next_check_at=NOW)

    make_statement("Unseen", state=State.FROZEN)
    draft = make_statement("Draft", state=State.FROZEN)
    make_verification(draft, finalizes_at=NOW + HOUR)
    make_verification(
        make_statement("Seen", state=State.FROZEN), verified_at=NOW, finalizes_at=NOW + HOUR
    )
    passed = make_statement("Passed", state=State.SETTLED)
    make_verification(passed, passed_unverified_at=NOW, finalizes_at=NOW)
    make_verification(
        make_statement("Late", state=State.SETTLED), passed_unverified_at=NOW, verified_at=NOW
    )


def settlements(staff: User) -> None:
    """One invoice differs, one did long ago; one correction waits."""
    for name, difference, ago in [
        ("Agrees", "", DAY),
        ("Differs", "The invoice charges $1.00.", 61 * DAY),
        ("Differed", "The invoice charged $1.00.", 63 * DAY),
    ]:
        statement = make_statement(name, state=State.SETTLED)
        Settlement.objects.create(
            statement=statement,
            stripe_invoice_id=f"in_{name}",
            amount_cents=100,
            agrees=not difference,
            difference=difference,
            settled_at=NOW - ago,
        )
        correction = correcting.propose(statement, series=2, why="so", by=staff, now=NOW)
        if name != "Differs":
            CorrectionDecision.objects.create(
                correction=correction, applied=False, decided_by=staff, decided_at=NOW
            )


def rest() -> None:
    """Two figures differ, one of them the ledger's; one webhook waits, of a type nobody knows."""
    period = accounts.make_november(make_plan("Wrong"))
    make_drift(period, Drift.Reason.LEDGER)
    make_drift(period, Drift.Reason.LEDGER, resolved_at=NOW)
    make_drift(accounts.make_november(make_plan("Off")), Drift.Reason.OUTBOX)
    for name, handled_at in {"evt_1": None, "evt_2": NOW}.items():
        WebhookReceipt.objects.create(
            event_id=name,
            type="customer.tax_id.created",
            object_id="txi_1",
            received_at=NOW - HOUR,
            handled_at=handled_at,
        )


EXPECTED = {
    "Plans past due": 2,
    "Plans held": 1,
    "Plans being canceled": 1,
    "Outbox waiting": 2,
    "Rejected events": 2,
    "Undecided events": 1,
    "Held back by staff": 3,
    "Webhooks waiting": 1,
    "Periods to close": 2,
    "Not seen at Stripe yet": 2,
    "Final without proof": 1,
    "Invoices that differ": 1,
    "Corrections to decide": 1,
    "Drift": 2,
    "Ledger against reports": 1,
}


@pytest.fixture
def awkward(staff: User) -> None:
    """Let there be a bit of everything."""
    outbox()
    plans()
    bills()
    settlements(staff)
    rest()


def listed(desk: Client, address: str) -> int:
    """Return the number of rows of a list."""
    return len(soup(desk.get(address)).select("#result_list tbody tr"))


def test_figures_are_of_the_rows_that_they_lead_to(
    desk: Client,
    awkward: None,
    front: Front,
) -> None:
    tiles = front()

    figures = {title: tiles[title]["figure"].split()[0] for title in EXPECTED}
    rows = {title: str(listed(desk, tiles[title]["address"])) for title in EXPECTED}

    assert figures == {title: str(number) for title, number in EXPECTED.items()}
    assert rows == figures


def test_the_next_invoice_is_the_one_that_is_listed(
    desk: Client,
    awkward: None,
    front: Front,
) -> None:
    tile = front()["Next unverified invoice"]

    (row,) = soup(desk.get(tile["address"])).select("#result_list tbody tr")

    assert "Draft" in words(row)
    assert tile["figure"] == "59 minutes"


def test_what_is_billed_is_of_live_plans_that_run(
    desk: Client,
    front: Front,
) -> None:
    for name, ended_at in {"Acme": None, "Gone": NOW}.items():
        plan = make_plan(name)
        make_event(plan, at=NOW - 2 * HOUR)
        make_event(plan, at=NOW - 3 * HOUR, value=100)
        Plan.objects.filter(pk=plan.pk).update(ended_at=ended_at)
    make_plan("Without a period")

    tile = front()["Active series billed now"]

    assert tile["figure"] == "40"
    assert listed(desk, tile["address"]) == 2


class TestRuns:
    @pytest.fixture(autouse=True)
    def _have_run(self) -> None:
        for name in ("sweep", "days", "reconcile", "prune"):
            self.run(name, ended=NOW - 25 * HOUR, result={"periods": 9})

    def run(self, name: str, *, ended: datetime | None, **more: Any) -> None:
        """Record a run that began a minute before its end, or an hour ago where it goes on."""
        ScheduledRun.objects.create(
            name=name, started_at=(ended or NOW) - HOUR, finished_at=ended, **more
        )

    @pytest.mark.parametrize(
        ("title", "name"),
        [
            ("Last sweep", "sweep"),
            ("Last reconciliation", "reconcile"),
            ("Last count of days", "days"),
            ("Last pruning", "prune"),
        ],
    )
    def test_one_that_failed_is_to_be_looked_at_though_one_before_it_did_not(
        self,
        front: Front,
        title: str,
        name: str,
    ) -> None:
        self.run(name, ended=NOW - MINUTE, failure="ZeroDivisionError('division by zero')")

        tiles = front()

        tile = tiles.pop(title)
        assert (tile["tone"], tile["figure"]) == ("Look at it", "Failed")
        assert "ZeroDivisionError" in tile["detail"]
        others = {other["tone"] for other_title, other in tiles.items() if "Last" in other_title}
        assert others == {"Well"}

    @pytest.mark.parametrize("result", [{"plans": 3, "failed": 1}, {"periods": 3, "unknown": 1}])
    def test_one_that_left_something_out_is_to_be_looked_at(
        self,
        front: Front,
        result: dict[str, int],
    ) -> None:
        self.run("sweep", ended=NOW - MINUTE, result=result)

        assert front()["Last sweep"]["tone"] == "Look at it"

        self.run("sweep", ended=NOW, result={"plans": 3, "failed": 0, "unknown": 0})
        assert front()["Last sweep"]["tone"] == "Well"

    def test_one_that_runs_is_no_trouble(self, front: Front) -> None:
        self.run("reconcile", ended=None)

        tiles = front()

        assert tiles["Last reconciliation"]["figure"] == "Running"
        assert tiles["Last reconciliation"]["tone"] == "Well"
        assert tiles["Ledger against reports"]["figure"] == "Unchecked"

    def test_the_ledger_does_not_agree_while_nobody_could_look(
        self,
        front: Front,
    ) -> None:
        assert front()["Ledger against reports"]["figure"] == "Agrees"
        self.run("reconcile", ended=NOW - MINUTE, failure="OperationalError()")

        tile = front()["Ledger against reports"]

        assert (tile["tone"], tile["figure"]) == ("Look at it", "Unchecked")


def test_without_a_key_nothing_is_said_to_go(front: Front, settings: Any) -> None:
    settings.BILLING_CONFIGURED = False

    tile = front()["Sending"]

    assert (tile["figure"], tile["detail"]) == ("Off", "STRIPE_SECRET_KEY is empty")


@pytest.mark.parametrize("gone", [False, True])
def test_an_empty_site_has_every_tile(front: Front, settings: Any, gone: bool) -> None:
    settings.ACTIVE_SERIES_PRODUCT = "" if gone else "prod_1"

    tiles = front()

    red = {title for title, tile in tiles.items() if tile["tone"] == "Look at it"}
    never = {"Last sweep", "Last reconciliation", "Last count of days", "Last pruning"}
    assert red == never | {"Ledger against reports"} | ({"Billing"} if gone else set())
    assert {tiles[title]["figure"] for title in never} == {"Never"}
