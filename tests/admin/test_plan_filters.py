"""Each filter of the plans keeps the plans that it names, to the second, and no other one."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from bencher import clock
from billing.models import (
    Drift,
    Freeze,
    Level,
    MeterEvent,
    MetricsPeriod,
    Plan,
    Settlement,
    Status,
)
from series.models import Visibility
from tests import factories
from tests.admin.rows import NOW, make_minutes
from tests.factories import NOV
from tests.pages import accounts
from tests.pages.reading import soup, words

PLANS = "/admin/billing/plan/"
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture(autouse=True)
def at_the_second(in_november: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no time go by while a page is asked for."""
    monkeypatch.setattr(clock, "now", lambda: NOW)


def make_plan(name: str, **changes: Any) -> Plan:
    """Create a Pro plan in its November; `changes` are of the plan."""
    leader = factories.make_user(f"leader-of-{name}".lower().replace(" ", "-"))
    plan = factories.make_plan(factories.make_organization(name, leader=leader))
    accounts.make_november(plan)
    if changes:
        Plan.objects.filter(pk=plan.pk).update(**changes)
        plan.refresh_from_db()
    return plan


def store(plan: Plan, *values: int, at: datetime = NOW) -> None:
    """Store values, a minute apart, the last one counted at an instant."""
    period = plan.periods.get()
    for number, value in enumerate(reversed(values)):
        accounts.make_event(period, value, at=at - number * timedelta(minutes=1))


def kept(desk: Client, **query: str) -> set[str]:
    """Return the organizations whose plans are listed."""
    response = desk.get(PLANS, query)
    assert response.status_code == 200, response
    rows = soup(response).select("#result_list tbody tr")
    return {words(row.select_one("th")) for row in rows}


def test_over_is_by_the_last_value_of_a_running_plan(desk: Client) -> None:
    store(make_plan("At"), 300, 250)
    store(make_plan("Over"), 100, 251)
    store(make_plan("Ended", ended_at=NOW - DAY), 400)
    flat = make_plan("Flat")
    store(flat, 900)
    flat.periods.update(tiers=[{"up_to": None, "flat_amount": 0, "unit_amount": 40}])
    make_minutes(make_plan("Minutes"), at=NOW)
    past = make_plan("Past")
    store(past, 400)
    past.periods.update(ends_at=NOW)
    future = make_plan("Future")
    store(future, 400)
    future.periods.update(starts_at=NOW + SECOND)
    begins = make_plan("Begins")
    store(begins, 400)
    begins.periods.update(starts_at=NOW)

    assert kept(desk, usage="over") == {"Over", "Begins"}


def test_a_trial_ends_within_a_week_half_open(desk: Client) -> None:
    for name, ends_at in {
        "Ended": NOW - SECOND,
        "Now": NOW,
        "Soon": NOW + 7 * DAY - SECOND,
        "Later": NOW + 7 * DAY,
    }.items():
        make_plan(name, status=Status.TRIALING, trial_ends_at=ends_at)
    make_plan("Paid", status=Status.ACTIVE, trial_ends_at=NOW + DAY)

    assert kept(desk, trial="ending") == {"Now", "Soon"}
    assert kept(desk, trial="running") == {"Ended", "Now", "Soon", "Later"}


@pytest.mark.parametrize("hours", [2, 26, 50])
def test_not_posted_is_of_series_and_of_metered_plans(desk: Client, hours: int) -> None:
    limit = NOW - hours * HOUR
    store(make_plan("Exactly"), 1, at=limit)
    store(make_plan("Lately"), 1, at=limit + SECOND)
    make_minutes(make_plan("Minutes"), at=NOW)
    make_plan("Never")
    make_plan("Ended", ended_at=NOW)
    make_plan("Paused", status=Status.PAUSED)
    make_plan("Team", level=Level.TEAM)
    make_plan("Unpaid", status=Status.UNPAID)

    assert kept(desk, posted=f"not-for-{hours}h") == {"Exactly", "Minutes", "Never", "Unpaid"}


def test_drift_is_of_the_plan_whose_period_it_is(desk: Client) -> None:
    def make_drift(plan: Plan, **more: Any) -> None:
        Drift.objects.create(
            organization=plan.organization,
            reason=Drift.Reason.STRIPE,
            differences="They differ.",
            figures={},
            found_at=NOW,
            checked_at=NOW,
            **more,
        )

    ended = make_plan("Acme", ended_at=NOW)
    make_drift(ended, period=ended.periods.get())
    live = factories.make_plan(ended.organization)
    older = make_plan("Older", level=Level.TEAM)
    metrics_period = MetricsPeriod.objects.create(
        organization=older.organization,
        plan=older,
        stripe_subscription_id="sub_older",
        starts_at=NOV - 30 * DAY,
        ends_at=NOV,
        metered_from=NOV - 30 * DAY,
    )
    make_drift(older, metrics_period=metrics_period, meter=MeterEvent.Meter.METRICS)
    resolved = make_plan("Resolved")
    make_drift(resolved, period=resolved.periods.get(), resolved_at=NOW)

    rows = soup(desk.get(PLANS, {"drift": "yes"})).select("#result_list tbody tr")
    found = {str(row.select("th a")[0]["href"]).split("/")[4] for row in rows}
    assert found == {str(ended.pk), str(older.pk)}
    badges = soup(desk.get(PLANS)).select("#result_list .field-drift")
    assert sorted(words(badge) for badge in badges) == [
        "Stripe's meter holds another value",
        "Stripe's meter holds another value",
        "–",
        "–",
    ]
    assert live.pk


def test_frozen_is_while_it_lasts(desk: Client) -> None:
    for name, ended_at in {"Frozen": None, "Thawed": NOW}.items():
        organization = make_plan(name).organization
        Freeze.objects.create(
            organization=organization, reason="so", begun_at=NOW, ended_at=ended_at
        )

    assert kept(desk, drift="frozen") == {"Frozen"}


def test_standing_is_of_live_plans_but_for_the_ended(desk: Client) -> None:
    make_plan("Past due", status=Status.PAST_DUE)
    make_plan("Unpaid", status=Status.UNPAID, held_at=NOW)
    make_plan("Ended", status=Status.UNPAID, ended_at=NOW, held_at=NOW)
    make_plan("Fine")

    assert kept(desk, standing="past-due") == {"Past due", "Unpaid"}
    assert kept(desk, standing="held") == {"Unpaid"}
    assert kept(desk, standing="live") == {"Past due", "Unpaid", "Fine"}
    assert kept(desk, standing="ended") == {"Ended"}


def test_an_invoice_is_found_that_only_its_settlement_names(desk: Client) -> None:
    """As of a plan that ended, whose invoice was compared before anybody looked for the draft."""
    statement = accounts.make_october_statement(make_plan("Acme"), series=1, amount_cents=10000)
    Settlement.objects.create(
        statement=statement,
        stripe_invoice_id="in_last",
        amount_cents=10000,
        agrees=True,
        settled_at=NOW,
    )
    make_plan("Globex")

    assert kept(desk, q="in_last") == {"Acme"}
    assert kept(desk, q="in_las") == {"Acme"}
    assert kept(desk, q="in_other") == set()


class TestColumns:
    @pytest.mark.parametrize(
        ("changes", "shown"),
        [
            ({}, ("3", "0–250", "$100.00")),
            ({"status": Status.PAUSED}, ("3", "0–250", "$100.00")),
            ({"held_at": NOW}, ("3", "0–250", "$100.00")),
            ({"level": Level.ENTERPRISE}, ("–", "–", "–")),
            ({"ended_at": NOW}, ("–", "–", "–")),
        ],
    )
    def test_are_of_what_is_billed_by_series(
        self, desk: Client, changes: dict[str, Any], shown: tuple[str, ...]
    ) -> None:
        plan = make_plan("Acme", **changes)
        project = factories.make_project(
            "Engine", organization=plan.organization, visibility=Visibility.PRIVATE
        )
        accounts.make_series(project, 3, at=NOW - HOUR)

        assert self.cells(desk) == shown

    @pytest.mark.parametrize(
        ("seconds", "shown"),
        # The count is as of the statement's own clock, which goes on.
        [(60, ("3", "0–250", "$100.00")), (-60, ("–", "–", "–"))],
    )
    def test_are_of_the_period_that_runs(
        self, desk: Client, seconds: int, shown: tuple[str, ...]
    ) -> None:
        plan = make_plan("Acme")
        project = factories.make_project(
            "Engine", organization=plan.organization, visibility=Visibility.PRIVATE
        )
        accounts.make_series(project, 3, at=NOW - HOUR)
        plan.periods.update(ends_at=NOW + timedelta(seconds=seconds))

        assert self.cells(desk) == shown

    def cells(self, desk: Client) -> tuple[str, ...]:
        """Return count, band and estimate of the one plan."""
        (row,) = soup(desk.get(PLANS)).select("#result_list tbody tr")
        return tuple(
            words(row.select_one(f".field-{name}")) for name in ("series_now", "tier", "estimate")
        )
