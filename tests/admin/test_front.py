"""The staff's front page: a tile for each thing to watch, in the tone that monitoring hears."""

from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import pytest
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import DjangoAssertNumQueries

from bencher.tenancy.models import User
from billing import attention, tiles
from billing.models import (
    BillingPeriod,
    Cancellation,
    Drift,
    MeterEvent,
    Plan,
    ScheduledRun,
    SenderLease,
    Status,
    Verification,
    WebhookReceipt,
)
from tests import factories
from tests.admin.conftest import Front, page_of
from tests.admin.rows import NOW, make_world
from tests.pages import accounts
from tests.pages.reading import soup
from tests.staffing import desk_of

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def make_period() -> BillingPeriod:
    """Create a plan in its November, whose current period has one value of 40 series."""
    plan = factories.make_plan(
        factories.make_organization("Acme", leader=factories.make_user("alice"))
    )
    period = accounts.make_november(plan)
    accounts.make_event(period, 40, at=NOW - MINUTE)
    return period


def make_run(name: str, *, ended: datetime, took: timedelta, result: dict[str, int]) -> None:
    """Record a nightly run."""
    ScheduledRun.objects.create(
        name=name, started_at=ended - took, finished_at=ended, result=result
    )


def _wait_for_an_hour(period: BillingPeriod) -> None:
    MeterEvent.objects.update(counted_at=NOW - HOUR)


def _reject(period: BillingPeriod) -> None:
    MeterEvent.objects.update(rejected_at=NOW)


def _pause(period: BillingPeriod) -> None:
    SenderLease.objects.update_or_create(id=1, defaults={"paused_why": "Invalid API Key"})


def _webhook(period: BillingPeriod) -> None:
    WebhookReceipt.objects.create(
        event_id="evt_1", type="invoice.paid", object_id="in_1", received_at=NOW - HOUR
    )


def _end(period: BillingPeriod) -> None:
    BillingPeriod.objects.update(ends_at=NOW - DAY)


def _drift(period: BillingPeriod) -> None:
    Drift.objects.create(
        organization=period.organization,
        period=period,
        reason=Drift.Reason.LEDGER,
        differences="The ledger counts 1 series, the reports 2.",
        figures={},
        found_at=NOW,
        checked_at=NOW,
    )


def _draft(period: BillingPeriod) -> None:
    Verification.objects.create(
        period=period, checked_at=NOW, next_check_at=NOW, finalizes_at=NOW + HOUR
    )


def _passed(period: BillingPeriod) -> None:
    Verification.objects.create(
        period=period, checked_at=NOW, next_check_at=NOW, passed_unverified_at=NOW
    )


def _disagree(period: BillingPeriod) -> None:
    statement = accounts.make_october_statement(period.plan, series=1, amount_cents=10000)
    accounts.make_settlement(statement, difference="The invoice charges $1.00.")


def _hold(period: BillingPeriod) -> None:
    Plan.objects.update(held_at=NOW)


def _cancel(period: BillingPeriod) -> None:
    Cancellation.objects.create(
        plan=period.plan, reason="asked", requested_at=NOW - 2 * HOUR, ends_at=NOW - 2 * HOUR
    )


def _fail(period: BillingPeriod) -> None:
    now = NOW - MINUTE
    ScheduledRun.objects.create(name="days", started_at=now, finished_at=now, failure="no")


TROUBLES: dict[str, tuple[Callable[[BillingPeriod], None], str]] = {
    "Plans held": (_hold, "1"),
    "Plans being canceled": (_cancel, "1"),
    "Outbox waiting": (_wait_for_an_hour, "1"),
    "Rejected events": (_reject, "1"),
    "Sending": (_pause, "Paused"),
    "Webhooks waiting": (_webhook, "1"),
    "Periods to close": (_end, "1"),
    "Drift": (_drift, "1"),
    "Ledger against reports": (_drift, "1 wrong"),
    "Next unverified invoice": (_draft, "59 minutes"),
    "Final without proof": (_passed, "1"),
    "Invoices that differ": (_disagree, "1"),
    "Last count of days": (_fail, "Failed"),
}


@pytest.fixture
def well(db: None) -> BillingPeriod:
    """Let everything be as it is to be: the runs have run, and nothing is old."""
    make_run("sweep", ended=NOW - HOUR, took=4 * MINUTE, result={"plans": 1, "events": 1})
    make_run("reconcile", ended=NOW - HOUR, took=MINUTE, result={"periods": 1})
    make_run("days", ended=NOW - HOUR, took=MINUTE, result={"periods": 1, "failed": 0})
    make_run("prune", ended=NOW - HOUR, took=MINUTE, result={"removed": 1})
    return make_period()


class TestTiles:
    def test_are_well_while_all_is_well(self, well: BillingPeriod, front: Front) -> None:
        found = front()

        assert {tile["tone"] for tile in found.values()} == {"Well", ""}
        assert found["Active series billed now"]["figure"] == "40"
        assert found["Last sweep"]["figure"] == "1 hour ago"
        assert found["Last sweep"]["detail"] == "took 4 minutes: 1 plan, 1 event"
        assert found["Outbox waiting"]["figure"] == "1"
        assert found["Outbox waiting"]["detail"] == "oldest 1 minute ago"

    @pytest.mark.parametrize("title", TROUBLES)
    def test_call_for_a_person_where_there_is_trouble(
        self, well: BillingPeriod, front: Front, title: str
    ) -> None:
        make, figure = TROUBLES[title]
        make(well)

        tile = front()[title]

        assert (tile["tone"], tile["figure"]) == ("Look at it", figure)

    def test_call_for_a_person_where_a_run_is_late(self, well: BillingPeriod, front: Front) -> None:
        ScheduledRun.objects.filter(name="sweep").update(
            started_at=NOW - 28 * HOUR, finished_at=NOW - 27 * HOUR
        )

        found = front()

        assert found["Last sweep"]["tone"] == "Look at it"
        assert found["Last reconciliation"]["tone"] == "Well"

    def test_count_plans_past_due_as_their_list_does(
        self, well: BillingPeriod, front: Front, desk: Client
    ) -> None:
        Plan.objects.update(status=Status.UNPAID)

        tile = front()["Plans past due"]

        assert tile["figure"] == "1"
        assert len(soup(desk.get(tile["address"])).select("#result_list tbody tr")) == 1

    def test_lead_to_lists_that_open(self, well: BillingPeriod, front: Front, desk: Client) -> None:
        for tile in front().values():
            assert urlsplit(tile["address"]).path.startswith("/admin/billing/")
            response = desk.get(tile["address"])
            # A filter that nobody knows is answered with a redirect to ?e=1.
            assert response.status_code == 200, tile

    @pytest.mark.parametrize("title", ["Outbox waiting", "Rejected events", "Drift"])
    def test_lead_to_the_rows_that_they_count(
        self, well: BillingPeriod, front: Front, desk: Client, title: str
    ) -> None:
        TROUBLES[title][0](well)
        tile = front()[title]

        rows = soup(desk.get(tile["address"])).select("#result_list tbody tr")

        assert str(len(rows)) == tile["figure"]


class TestToneAndAlert:
    @pytest.mark.parametrize("trouble", [None, *TROUBLES])
    def test_never_disagree(self, well: BillingPeriod, desk: Client, trouble: str | None) -> None:
        if trouble:
            TROUBLES[trouble][0](well)
        answer = desk.get("/metrics").content.decode()
        alerts = {
            sample.labels["gauge"]
            for family in text_string_to_metric_families(answer)
            for sample in family.samples
            if sample.name == "bencher_attention" and sample.value
        }

        shown = len(page_of(desk).select(".tile--attention"))

        assert bool(alerts) == bool(shown) == bool(trouble)

    def test_every_limit_has_a_tile(self) -> None:
        assert set(tiles.gauges_shown()) == set(attention.LIMITS)


class TestPage:
    def test_takes_a_fixed_number_of_queries(
        self, desk: Client, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        desk.get("/admin/")
        for number in (1, 2, 3):
            make_world(number, now=NOW)
            # Session, user, second factor, clock; five for gauges, two for runs and webhooks;
            # recent actions.
            with django_assert_num_queries(12):
                desk.get("/admin/")

    def test_answers_the_tiles_alone_for_a_page_that_stays_open(
        self, desk: Client, well: BillingPeriod
    ) -> None:
        part = desk.get("/admin/tiles/")
        page = page_of(desk)

        assert part.status_code == 200
        assert b"<html" not in part.content
        assert page.select_one("[hx-get='/admin/tiles/']")
        assert len(soup(part).select("a.tile")) == len(page.select("a.tile"))

    def test_shows_nothing_that_somebody_may_not_view(self) -> None:
        dora = factories.make_user("dora", is_staff=True)
        User.objects.filter(pk=dora.pk).update(is_superuser=False)

        assert page_of(desk_of(dora)).select("a.tile") == []

    def test_is_small(self, desk: Client, well: BillingPeriod) -> None:
        assert len(desk.get("/admin/").content) < 100_000

    def test_strangers_are_asked_to_sign_in(self, client: Client) -> None:
        client.force_login(factories.make_user("charlie"))

        assert client.get("/admin/tiles/").status_code == 302
