"""What monitoring sees: every gauge, at 0 while all is well, and what moves each of them."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from bencher import clock
from billing import attention, close, gauges, reconcile, runs
from billing.models import BillingPeriod, Drift, MeterEvent, Settlement, Verification
from tests.billing.conftest import make_subscriber, report
from tests.factories import make_user
from tests.ledger.conftest import Customer
from tests.ledger.tampering import tamper
from tests.staffing import desk_of

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
RUNS = ("sweep", "days", "reconcile", "prune")


@pytest.fixture
def token(settings: Any) -> str:
    """Return monitoring's token."""
    settings.METRICS_TOKEN = "a-long-random-token"
    return "a-long-random-token"


@pytest.fixture
def scrape(token: str) -> Callable[[], dict[str, float]]:
    """Return a function that asks as monitoring does and returns each sample's value."""

    def scrape() -> dict[str, float]:
        answer = Client(headers={"authorization": f"Bearer {token}"}).get("/metrics")
        assert answer.status_code == 200
        return {
            "/".join([sample.name, *sample.labels.values()]): sample.value
            for family in text_string_to_metric_families(answer.content.decode())
            for sample in family.samples
        }

    return scrape


Scrape = Callable[[], dict[str, float]]


class TestValues:
    def test_are_all_there_and_0_without_anything(self, scrape: Scrape) -> None:
        found = scrape()

        assert found.pop("bencher_unverified_invoice_seconds_left") == float("inf")
        assert found.pop("bencher_active_series_billed") == 1
        assert set(found) == {
            "bencher_outbox_waiting",
            "bencher_outbox_oldest_age_seconds",
            "bencher_outbox_held_back",
            "bencher_outbox_rejected",
            "bencher_outbox_undecided",
            "bencher_sending_paused",
            "bencher_periods_to_close",
            "bencher_periods_to_close_oldest_age_seconds",
            "bencher_closings_unverified",
            "bencher_invoices_final_unverified",
            "bencher_settlements_disagreeing",
            "bencher_final_tables_unprotected",
            *(f"bencher_run_finished_timestamp_seconds/{name}" for name in RUNS),
            *(f"bencher_run_failed/{name}" for name in RUNS),
            "bencher_plans_held",
            "bencher_cancellations_waiting",
            "bencher_cancellations_oldest_age_seconds",
            "bencher_corrections_undecided",
            "bencher_closings_unverified_oldest_age_seconds",
            "bencher_active_series_posted",
            "bencher_plans_past_due",
            "bencher_webhooks_waiting",
            "bencher_webhooks_oldest_age_seconds",
            *(f"bencher_drift_unresolved/{reason}" for reason in Drift.Reason.values),
            *(f"bencher_attention/{gauge}" for gauge in attention.LIMITS),
        }
        # Nothing has run yet, which is for somebody to look at.
        assert found.pop("bencher_attention/bencher_run_finished_timestamp_seconds") == 1
        assert set(found.values()) == {0}

    def test_tell_what_waits_and_for_how_long(self, scrape: Scrape) -> None:
        plan, project = make_subscriber("acme")
        report(project, 2, ago=2 * HOUR)
        now = clock.now()
        BillingPeriod.objects.update(ends_at=now - HOUR)
        before = scrape()
        close.close(plan.periods.get().pk, now=now)
        MeterEvent.objects.update(counted_at=now - 2 * HOUR)
        after = scrape()

        assert before["bencher_periods_to_close"] == 1
        assert 3600 <= before["bencher_periods_to_close_oldest_age_seconds"] < 3700
        assert before["bencher_outbox_waiting"] == 0
        assert after["bencher_periods_to_close"] == 0
        assert after["bencher_outbox_waiting"] == 1
        assert 7200 <= after["bencher_outbox_oldest_age_seconds"] < 7300
        assert after["bencher_closings_unverified"] == 1
        assert 0 <= after["bencher_closings_unverified_oldest_age_seconds"] < 100

        MeterEvent.objects.update(rejected_at=now)
        rejected = scrape()
        assert (rejected["bencher_outbox_waiting"], rejected["bencher_outbox_rejected"]) == (0, 1)

    def test_tell_of_what_was_verified_and_what_was_not(self, scrape: Scrape) -> None:
        plan, _ = make_subscriber("acme")
        now = clock.now()
        BillingPeriod.objects.update(ends_at=now)
        statement = close.close(plan.periods.get().pk, now=now)
        row = Verification.objects.create(
            period=statement.period,
            checked_at=now,
            next_check_at=now,
            finalizes_at=now + HOUR,
        )
        assert 3500 < scrape()["bencher_unverified_invoice_seconds_left"] <= 3600

        Verification.objects.update(passed_unverified_at=now)
        assert scrape()["bencher_invoices_final_unverified"] == 1

        Verification.objects.filter(pk=row.pk).update(verified_at=now)
        found = scrape()
        assert found["bencher_closings_unverified"] == 0
        assert found["bencher_invoices_final_unverified"] == 0

    def test_tell_of_an_invoice_that_differs(self, scrape: Scrape) -> None:
        plan, _ = make_subscriber("acme")
        now = clock.now()
        BillingPeriod.objects.update(ends_at=now)
        statement = close.close(plan.periods.get().pk, now=now)
        Settlement.objects.create(
            statement=statement,
            stripe_invoice_id="in_1",
            amount_cents=1,
            agrees=False,
            difference="The invoice charges $0.01, the statement $100.00.",
            settled_at=now,
        )

        assert scrape()["bencher_settlements_disagreeing"] == 1

    def test_tell_of_triggers_that_were_lifted(self, scrape: Scrape) -> None:
        for count, change in enumerate(
            (
                "ALTER TABLE billing_statementline DISABLE TRIGGER USER",
                "DROP TRIGGER billing_settlement_is_not_truncated ON billing_settlement",
                "DROP TRIGGER billing_correction_is_final ON billing_correction",
            ),
            start=1,
        ):
            with connection.cursor() as cursor:
                cursor.execute(change)
            assert scrape()["bencher_final_tables_unprotected"] == count

    def test_tell_when_the_nightly_runs_finished(self, scrape: Scrape) -> None:
        now = clock.now()
        with runs.recorded("sweep", now=now):
            pass
        with pytest.raises(ZeroDivisionError), runs.recorded("reconcile", now=now):
            raise ZeroDivisionError

        found = scrape()

        swept = found["bencher_run_finished_timestamp_seconds/sweep"]
        assert now.timestamp() <= swept < now.timestamp() + 60
        assert found["bencher_run_finished_timestamp_seconds/reconcile"] == 0
        failed = {name for name in RUNS if found[f"bencher_run_failed/{name}"]}
        assert failed == {"reconcile"}

    def test_take_a_fixed_number_of_statements(self, django_assert_num_queries: Any) -> None:
        for name in ("acme", "globex"):
            make_subscriber(name)
            # The clock's, and the gauges' own.
            with django_assert_num_queries(6):
                list(gauges.read(now=clock.now()))


def test_a_figure_that_is_off_by_one_is_seen_in_the_same_night(
    customer: Customer, scrape: Scrape
) -> None:
    event = MeterEvent.objects.filter(period=customer.running).latest("timestamp")
    tamper("billing_meterevent", "SET value = value + 1 WHERE id = %s", event.pk)
    assert scrape()["bencher_drift_unresolved/outbox"] == 0

    list(reconcile.run(now=clock.now()))

    found = scrape()
    assert found["bencher_drift_unresolved/outbox"] == 1
    assert sum(v for k, v in found.items() if k.startswith("bencher_drift_unresolved")) == 1


class TestWhoMaySeeIt:
    @pytest.mark.parametrize("header", ["", "Bearer", "Bearer x", "Basic a-long-random-token"])
    def test_nobody_without_the_token(self, token: str, header: str) -> None:
        answer = Client(headers={"authorization": header} if header else None).get("/metrics")

        assert answer.status_code == 401
        assert b"METRICS_TOKEN" in answer.content
        assert answer["WWW-Authenticate"] == "Bearer"

    def test_an_empty_token_opens_nothing(self, settings: Any) -> None:
        settings.METRICS_TOKEN = ""

        assert Client(headers={"authorization": "Bearer "}).get("/metrics").status_code == 401

    @pytest.mark.parametrize(("staff", "status"), [(True, 200), (False, 401)])
    def test_staff_in_a_browser(self, staff: bool, status: int) -> None:
        desk = desk_of(make_user("sam", is_staff=staff))

        assert desk.get("/metrics").status_code == status

    def test_it_is_only_read(self, token: str) -> None:
        headers = {"authorization": f"Bearer {token}"}

        assert Client(headers=headers).post("/metrics").status_code == 405
