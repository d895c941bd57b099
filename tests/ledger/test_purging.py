"""Evidence goes when it has served, and then nobody is told a number any more."""

import hashlib
import json
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.test import Client

from bencher import clock
from bencher.dates import rfc3339
from billing import close, explaining, figures, reconcile
from billing.models import BillingPeriod, Drift, Settlement, Statement
from ingest import backfill, deletion
from ingest import expiry as ingest_expiry
from ingest.models import MetricColumn, Report
from series import recounting
from series.counting import Basis
from series.models import ExpiredEvidence, SeriesLastSeen, Visibility
from series.recounting import EvidenceExpiredError
from tests import factories
from tests.billing.conftest import report
from tests.ledger.test_evidence import in_python
from tests.staffing import desk_of
from tests.stripe_sandbox import Sandbox

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
MONTH = 30 * DAY


class Customer:
    """Acme: two closed months of long ago, and one that runs.

    The first was settled twenty months ago, the second seventeen. Each month has three reports
    that were deleted and one that is shown.
    """

    def __init__(self, name: str) -> None:
        self.now = clock.now()
        self.leader = factories.make_user(name)
        self.organization = factories.make_organization(name.title(), leader=self.leader)
        self.project = factories.make_project(
            "Engine", organization=self.organization, visibility=Visibility.PRIVATE
        )
        begins = [self.now - 22 * MONTH, self.now - 18 * MONTH, self.now - MONTH / 2]
        for start in begins:
            self.report_and_delete(start)
        self.plan = factories.make_plan(self.organization)
        self.first, self.second, self.running = (
            factories.make_period(self.plan, starts_at=start, ends_at=start + MONTH)
            for start in begins
        )
        for period, ago in ((self.first, 20 * MONTH), (self.second, 17 * MONTH)):
            close.close(period.pk, now=self.now)
            self.settle(period, ago=ago)

    def report_and_delete(self, start: datetime) -> None:
        """Report at the start of a month, four times; the first three are deleted."""
        reported = [
            report(self.project, benchmarks, ago=self.now - start - hours * timedelta(hours=1))
            for hours, benchmarks in ((0, 9), (1, 8), (2, 7), (3, 4))
        ]
        for one in Report.objects.filter(uuid__in=reported[:3]):
            deletion.delete(one, now=self.now)

    def settle(self, period: BillingPeriod, *, ago: timedelta) -> None:
        """Settle a period as of then."""
        Settlement.objects.create(
            statement=period.statement,
            stripe_invoice_id=f"in_{period.pk}",
            series=9,
            amount_cents=10000,
            agrees=True,
            settled_at=self.now - ago,
        )
        BillingPeriod.objects.filter(pk=period.pk).update(state="settled")

    def reports(self, period: BillingPeriod) -> tuple[int, int]:
        """Return how many reports of a period are shown, and how many are hidden."""
        found = Report.objects.filter(
            organization=self.organization,
            seen_at__gte=period.starts_at,
            seen_at__lt=period.ends_at,
        )
        return found.filter(deleted_at=None).count(), found.exclude(deleted_at=None).count()

    def recount(self, period: BillingPeriod) -> int:
        """Recount a period."""
        return recounting.recount(
            self.organization.pk, start=period.starts_at, end=period.ends_at, basis=Basis.PRIVATE
        ).billed


def purge(*arguments: str) -> list[str]:
    """Run the command and return the lines it prints."""
    out = StringIO()
    call_command("purge_evidence", *arguments, stdout=out)
    return out.getvalue().splitlines()


@pytest.fixture(autouse=True)
def batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take two reports at a time."""
    monkeypatch.setattr(ingest_expiry, "BATCH", 2)


@pytest.fixture
def acme() -> Customer:
    """Return Acme."""
    return Customer("acme")


class TestPurge:
    def test_takes_the_hidden_reports_of_what_was_settled_long_ago(self, acme: Customer) -> None:
        other = Customer("globex")
        shown = set(
            Report.objects.filter(deleted_at=None).values_list("uuid", flat=True).order_by()
        )

        lines = purge()

        assert lines == [
            f"acme: 3 reports with 3 columns from before {rfc3339(acme.first.ends_at)}",
            f"globex: 3 reports with 3 columns from before {rfc3339(other.first.ends_at)}",
            "6 reports with 6 columns gone, of 2 organizations",
        ]
        for customer in (acme, other):
            assert customer.reports(customer.first) == (1, 0)
            assert customer.reports(customer.second) == (1, 3)
            assert customer.reports(customer.running) == (1, 3)
        assert shown == set(
            Report.objects.filter(deleted_at=None).values_list("uuid", flat=True).order_by()
        )
        assert not MetricColumn.objects.exclude(report__in=Report.objects.all()).exists()

    def test_a_dry_run_says_the_same_and_changes_nothing(self, acme: Customer) -> None:
        told = purge("--dry-run")

        assert acme.reports(acme.first) == (1, 3)
        assert acme.recount(acme.first) == 9
        assert not ExpiredEvidence.objects.exists()
        assert [line.replace("would go", "gone") for line in told] == purge()

    def test_a_second_run_finds_nothing(self, acme: Customer) -> None:
        purge()
        noted = ExpiredEvidence.objects.get()

        assert purge()[-1] == "0 reports with 0 columns gone, of 1 organizations"
        assert ExpiredEvidence.objects.get() == noted
        assert ExpiredEvidence.objects.get().purged_at == noted.purged_at

    def test_one_that_was_stopped_is_continued(
        self, acme: Customer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        batches = ingest_expiry.purge(acme.organization.pk, before=acme.first.ends_at)
        with monkeypatch.context() as patched:
            patched.setattr(ingest_expiry, "purge", lambda *_, **__: iter([next(batches)]))
            purge()
        assert acme.reports(acme.first) == (1, 1)
        # What was begun is not counted any more.
        with pytest.raises(EvidenceExpiredError):
            acme.recount(acme.first)

        purge()

        assert acme.reports(acme.first) == (1, 0)

    def test_a_report_that_is_deleted_later_goes_with_the_next_run(self, acme: Customer) -> None:
        purge()
        last = Report.objects.filter(seen_at__lt=acme.first.ends_at).get()
        deletion.delete(last, now=clock.now())

        assert purge()[-1].startswith("1 reports with 1 columns gone")
        assert acme.reports(acme.first) == (0, 0)

    def test_reports_go_on(self, acme: Customer) -> None:
        purge()

        report(acme.project, 12)

        assert acme.recount(acme.running) == 12
        assert SeriesLastSeen.objects.filter(last_seen__gte=acme.running.starts_at).count() == 12


class TestDue:
    """What keeps evidence, each on its own."""

    def expect_nothing(self, acme: Customer) -> None:
        assert purge() == ["0 reports with 0 columns gone, of 0 organizations"]
        assert acme.recount(acme.first) == 9
        assert not ExpiredEvidence.objects.exists()

    def test_waits_for_the_months(self, acme: Customer, settings: Any) -> None:
        settings.EVIDENCE_MONTHS = 21

        self.expect_nothing(acme)

    def test_waits_for_an_older_period_that_is_not_settled(self, acme: Customer) -> None:
        older = factories.make_period(
            acme.plan, starts_at=acme.first.starts_at - MONTH, ends_at=acme.first.starts_at
        )
        close.close(older.pk, now=acme.now)

        self.expect_nothing(acme)

    def test_waits_for_a_period_that_was_settled_anew(self, acme: Customer) -> None:
        Settlement.objects.create(
            statement=acme.first.statement,
            stripe_invoice_id="in_corrected",
            series=9,
            amount_cents=10000,
            agrees=True,
            settled_at=acme.now - MONTH,
        )

        self.expect_nothing(acme)

    def test_waits_while_a_drift_is_unresolved(self, acme: Customer) -> None:
        Drift.objects.create(
            organization=acme.organization,
            period=acme.first,
            reason="invoice",
            differences="They differ.",
            figures={},
            found_at=acme.now - 19 * MONTH,
            checked_at=acme.now,
        )

        self.expect_nothing(acme)

    def test_an_organization_without_settled_periods_is_left_alone(self, acme: Customer) -> None:
        BillingPeriod.objects.update(state="frozen")

        self.expect_nothing(acme)

    def test_ends_before_the_first_period_that_needs_it(
        self, acme: Customer, settings: Any
    ) -> None:
        settings.EVIDENCE_MONTHS = 3
        BillingPeriod.objects.filter(pk=acme.second.pk).update(state="frozen")

        purge()

        assert acme.reports(acme.first) == (1, 0)
        assert acme.reports(acme.second) == (1, 3)
        assert acme.recount(acme.second) == 9

    def test_goes_as_far_as_everything_was_settled(self, acme: Customer, settings: Any) -> None:
        settings.EVIDENCE_MONTHS = 3

        purge()

        assert acme.reports(acme.second) == (1, 0)
        assert acme.reports(acme.running) == (1, 3)
        assert acme.recount(acme.running) == 9


class TestExpired:
    """After it: no number from the reports, and the statement as it was."""

    @pytest.fixture
    def purged(self, acme: Customer) -> Customer:
        purge()
        return acme

    def test_a_recount_is_refused_and_the_transaction_goes_on(self, purged: Customer) -> None:
        with pytest.raises(EvidenceExpiredError, match="Evidence expired: reports from before"):
            purged.recount(purged.first)

        assert purged.recount(purged.second) == purged.second.statement.series == 9

    def test_also_where_no_report_is_left(self, purged: Customer) -> None:
        MetricColumn.objects.all().delete()
        Report.objects.all().delete()

        with pytest.raises(EvidenceExpiredError):
            purged.recount(purged.first)

    def test_also_of_a_part_that_begins_before(self, purged: Customer) -> None:
        start = purged.first.ends_at - timedelta(microseconds=1)

        with pytest.raises(EvidenceExpiredError):
            recounting.recount(
                purged.organization.pk, start=start, end=purged.now, basis=Basis.PRIVATE
            )

    def test_a_recount_from_there_on_is_answered(self, purged: Customer) -> None:
        found = recounting.recount(
            purged.organization.pk,
            start=purged.first.ends_at,
            end=purged.now,
            basis=Basis.PRIVATE,
        )

        assert found.billed == 9

    @pytest.mark.parametrize("query", ["series", "with_reports"])
    @pytest.mark.parametrize(
        "around",
        ["SELECT count(*) FROM ({}) r", "SELECT r.* FROM ({}) r WHERE r.testbed_id = 0"],
    )
    def test_no_statement_reads_past_it(self, purged: Customer, query: str, around: str) -> None:
        sql = around.format(getattr(recounting.queries(), query))
        bounds = {"start": purged.first.starts_at, "end": purged.first.ends_at}

        with (
            pytest.raises(EvidenceExpiredError),
            recounting.expiry_refused(),
            connection.cursor() as cursor,
        ):
            cursor.execute(sql, bounds | {"organization": purged.organization.pk})

    def test_the_statement_stays_with_lines_and_hash(self, purged: Customer) -> None:
        statement = Statement.objects.get(period=purged.first)

        assert (statement.series, statement.lines.count()) == (9, 9)
        assert hashlib.sha256(in_python(statement)).hexdigest() == statement.evidence_sha256

    def test_a_closed_period_is_explained_from_its_statement(self, purged: Customer) -> None:
        of = explaining.subject(purged.organization, start=purged.first.starts_at, now=clock.now())

        series, _ = explaining.page(of, explaining.Wanted(), cursor="", limit=100)
        evidence = b"".join(explaining.evidence_lines(of))

        assert len(series) == 9
        assert hashlib.sha256(evidence).hexdigest() == purged.first.statement.evidence_sha256

    def test_the_api_answers_410_where_only_reports_could_tell(self, purged: Customer) -> None:
        # As if the period had been opened so late that its reports are gone.
        late = factories.make_period(
            purged.plan, starts_at=purged.first.starts_at - MONTH, ends_at=purged.first.starts_at
        )
        client = Client(
            headers={"authorization": f"Bearer {factories.make_user_key(purged.leader)}"}
        )

        for kind in ("json", "csv", "ndjson", "evidence"):
            response = client.get(
                "/v0/organizations/acme/usage/series",
                {"period": late.starts_at.isoformat(), "format": kind},
            )

            assert response.status_code == 410
            assert response.json()["message"].startswith("Evidence expired")

    def test_such_a_period_is_not_closed_with_a_wrong_number(self, purged: Customer) -> None:
        late = factories.make_period(
            purged.plan, starts_at=purged.first.starts_at - MONTH, ends_at=purged.first.starts_at
        )

        (attempt,) = close.close_due(now=clock.now())

        assert attempt.statement is None
        assert "Evidence expired" in attempt.failure
        assert not Statement.objects.filter(period=late).exists()

    def test_the_api_says_which_statements_can_be_recounted(self, purged: Customer) -> None:
        client = Client(
            headers={"authorization": f"Bearer {factories.make_user_key(purged.leader)}"}
        )

        listed = client.get("/v0/organizations/acme/statements").json()["statements"]
        one = client.get(f"/v0/organizations/acme/statements/{purged.first.statement.uuid}").json()

        assert [row["evidence_expired"] for row in listed] == [False, True]
        assert one["evidence_expired"] is True
        assert one["active_series"] == 9

    def test_staff_see_it_on_the_statement(self, purged: Customer) -> None:
        client = desk_of(factories.make_user("staff", is_staff=True))

        shown = [
            client.get(f"/admin/billing/statement/{period.statement.pk}/change/").content.decode()
            for period in (purged.first, purged.second)
        ]

        assert ["be recounted any more" in page for page in shown] == [True, False]

    def test_reconciling_finds_no_difference_and_no_number(
        self, purged: Customer, sandbox: Sandbox
    ) -> None:
        first, second, running = figures.of(
            [period.pk for period in (purged.first, purged.second, purged.running)],
            statuses=["active"],
            lagging=purged.now,
        )

        assert (first.recount, first.recount_all, first.recount_since) == (None, None, None)
        assert (second.recount, running.recount) == (9, 9)
        assert first.evidence_agrees
        checked = {
            one.period.pk: one
            for one in reconcile.run(now=clock.now(), organization=purged.organization)
        }
        told = checked[purged.first.pk].shown()
        assert (told["recount"], told["evidence_expired"], told["statement"]) == (None, True, 9)
        assert "recount" not in {found.reason for found in checked[purged.first.pk].differences}
        assert checked[purged.second.pk].shown()["evidence_expired"] is False

    def test_the_command_says_so(self, purged: Customer, sandbox: Sandbox) -> None:
        out = StringIO()
        with pytest.raises(SystemExit):
            call_command("reconcile", "acme", stdout=out)

        said = [line for line in out.getvalue().splitlines() if "evidence expired" in line]
        assert said == [f"acme, {purged.first}: evidence expired, not recounted"]
        out = StringIO()
        with pytest.raises(SystemExit):
            call_command("reconcile", "acme", "--json", stdout=out)
        figures_ = [json.loads(line)["figures"] for line in out.getvalue().splitlines()]
        assert [row["evidence_expired"] for row in figures_] == [True, False, False]

    def test_the_ledger_outlives_its_reports_without_a_difference(self) -> None:
        # Seen in the first month only, by reports that were deleted since.
        acme = Customer("acme")
        rows = SeriesLastSeen.objects.filter(project=acme.project)
        MetricColumn.objects.filter(report__seen_at__gte=acme.first.ends_at).delete()
        Report.objects.filter(seen_at__gte=acme.first.ends_at).delete()
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE series_last_seen ledger SET last_seen = found.at FROM ("
                " SELECT max(r.seen_at) AS at, b AS benchmark FROM ingest_report r JOIN"
                " ingest_metriccolumn m ON m.report_id = r.id, unnest(m.benchmark_ids) b GROUP BY b"
                ") found WHERE found.benchmark = ledger.benchmark_id"
            )
        assert list(backfill.differences(limit=10)) == []

        purge()

        assert list(backfill.differences(limit=10)) == []
        # What is wrong otherwise is still found.
        rows.filter(benchmark__name="bench_0").update(last_seen=acme.first.starts_at - DAY)
        rows.filter(benchmark__name="bench_8").update(last_seen=acme.now)
        assert {found.benchmark for found in backfill.differences(limit=10)} == {
            "bench_0",
            "bench_8",
        }


class TestReferences:
    def test_a_column_cannot_outlive_its_report(self, acme: Customer) -> None:
        def remove() -> None:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("DELETE FROM ingest_report")
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")

        with pytest.raises(IntegrityError, match="metric_column_of_a_report"):
            remove()

    def test_removing_reports_reads_no_whole_table(self, acme: Customer) -> None:
        """The check of the foreign key must find an index: it runs for each report."""
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute(
                "EXPLAIN SELECT 1 FROM ONLY ingest_metriccolumn x"
                " WHERE organization_id = 1 AND report_id = 1 FOR KEY SHARE OF x"
            )
            plan = "\n".join(line for (line,) in cursor.fetchall())
            cursor.execute(
                "SELECT pg_get_constraintdef(oid) FROM pg_constraint"
                " WHERE conrelid = 'ingest_metriccolumn'::regclass"
                " AND confrelid = 'ingest_report'::regclass"
            )
            keys = [definition for (definition,) in cursor.fetchall()]

        assert "Index Cond: ((organization_id = 1) AND (report_id = 1))" in plan
        assert [key.partition(" REFERENCES")[0] for key in keys] == [
            "FOREIGN KEY (organization_id, report_id)"
        ]
