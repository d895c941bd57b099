"""Closing a period: fence, recount, frozen statement, closing event."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from bencher import clock
from billing import close
from billing.models import BillingPeriod, MeterEvent, Plan, Settlement, Statement
from ingest.models import MetricColumn, Report
from series import projects, recounting
from series.counting import Basis
from series.models import Fence, Project, SeriesLastSeen, Visibility
from tests.billing.conftest import MONTH, make_subscriber, report
from tests.factories import make_organization, make_period, make_plan, make_project, make_user

pytestmark = pytest.mark.django_db


def end(plan: Plan) -> BillingPeriod:
    """Let the plan's period end just now."""
    BillingPeriod.objects.filter(plan=plan).update(ends_at=clock.now())
    return BillingPeriod.objects.get(plan=plan)


class TestClose:
    def test_freezes_what_was_active_and_stores_the_closing_event(self) -> None:
        plan, project = make_subscriber("acme")
        first = report(project, 300, ago=timedelta(hours=3))
        last = report(project, 10, ago=timedelta(hours=1))
        period = end(plan)

        statement = close.close(period.pk, now=clock.now())

        assert (statement.series, statement.total_series) == (300, 300)
        assert (statement.ledger_series, statement.tier_up_to) == (300, 375)
        assert statement.amount_cents == 15000
        line = statement.lines.get(benchmark_name="bench_3")
        assert (str(line.first_report_uuid), str(line.last_report_uuid)) == (first, last)
        assert line.first_seen_at < line.last_seen_at
        assert (line.project_name, line.testbed_name, line.measure_name, line.billed) == (
            "Engine",
            "ci",
            "Latency",
            True,
        )
        event = MeterEvent.objects.get(reason="close")
        assert event.value == 300
        assert event.timestamp.second == 30
        assert timedelta(0) < period.ends_at - event.timestamp < timedelta(minutes=2)
        assert Fence.objects.get().at == period.ends_at

    def test_twice_is_once(self) -> None:
        plan, project = make_subscriber("acme")
        report(project, 3, ago=timedelta(minutes=1))
        period = end(plan)

        first = close.close(period.pk, now=clock.now())

        assert close.close(period.pk, now=clock.now()) == first
        assert MeterEvent.objects.filter(reason="close").count() == 1

    def test_a_crash_after_the_fence_is_continued(self, monkeypatch: pytest.MonkeyPatch) -> None:
        plan, project = make_subscriber("acme")
        report(project, 3, ago=timedelta(minutes=1))
        period = end(plan)
        with monkeypatch.context() as patch:
            patch.setattr(close, "_freeze", lambda *_, **__: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                close.close(period.pk, now=clock.now())
        assert Statement.objects.count() == 0

        assert close.close(period.pk, now=clock.now()).series == 3

    def test_a_late_report_counts_in_the_next_period(self) -> None:
        plan, project = make_subscriber("acme")
        report(project, 3, ago=timedelta(minutes=1))
        period = end(plan)
        close.close(period.pk, now=clock.now())

        report(project, 5, ago=timedelta(hours=5))

        assert Report.objects.latest("id").seen_at >= period.ends_at
        recount = recounting.recount(
            plan.organization_id,
            start=period.starts_at,
            end=period.ends_at,
            basis=Basis.PRIVATE,
        )
        assert recount.billed == Statement.objects.get().series == 3

    def test_public_and_deleted_projects_are_shown_and_not_billed(self) -> None:
        plan, project = make_subscriber("acme")
        public, gone = (
            make_project(name, organization=plan.organization, visibility=visibility)
            for name, visibility in [("Open", Visibility.PUBLIC), ("Gone", Visibility.PRIVATE)]
        )
        for place in (project, public, gone):
            report(place, 2, ago=timedelta(minutes=1))
        projects.delete(gone, now=clock.now(), by=None)

        statement = close.close(end(plan).pk, now=clock.now())

        assert (statement.series, statement.total_series) == (2, 6)
        shown = statement.lines.values_list("project_name", "billed", "project_deleted").distinct()
        assert set(shown) == {
            ("Engine", True, False),
            ("Open", False, False),
            ("Gone", False, True),
        }

    def test_a_trial_is_counted_and_costs_nothing(self) -> None:
        plan, project = make_subscriber("acme")
        report(project, 300, ago=timedelta(minutes=1))
        BillingPeriod.objects.update(kind="trial")

        statement = close.close(end(plan).pk, now=clock.now())

        assert (statement.series, statement.amount_cents) == (300, 0)
        assert MeterEvent.objects.get().value == 300

    def test_a_period_without_reports_closes_at_zero(self) -> None:
        plan, _ = make_subscriber("acme")

        statement = close.close(end(plan).pk, now=clock.now())

        assert (statement.series, statement.amount_cents) == (0, 10000)
        assert MeterEvent.objects.get().value == 0

    def test_refuses_to_freeze_where_ledger_and_reports_differ(self) -> None:
        plan, project = make_subscriber("acme")
        report(project, 3, ago=timedelta(minutes=1))
        SeriesLastSeen.objects.filter(benchmark__name="bench_1").delete()
        period = end(plan)

        with pytest.raises(close.LedgerDisagreesError, match=r"ledger has 2.*reports have 3"):
            close.close(period.pk, now=clock.now())

        assert Statement.objects.count() == 0
        assert BillingPeriod.objects.get().state == "open"

    def test_the_ledger_is_not_asked_once_its_rows_have_moved_on(self) -> None:
        _, project = make_subscriber("acme")
        report(project, 3, ago=timedelta(hours=2))
        BillingPeriod.objects.update(ends_at=clock.now() - timedelta(hours=1))
        report(project, 1)

        statement = close.close(BillingPeriod.objects.get().pk, now=clock.now())

        assert (statement.series, statement.ledger_series) == (3, None)

    def test_supersedes_ordinary_values_that_were_not_sent(self) -> None:
        plan, project = make_subscriber("acme")
        report(project, 3, ago=timedelta(minutes=1))
        period = end(plan)
        MeterEvent.objects.create(
            meter="active_series",
            organization=plan.organization,
            customer=plan.organization.billing_customer,
            period=period,
            value=2,
            timestamp=period.starts_at + timedelta(hours=1),
            identifier="ordinary",
            reason="hint",
            counted_at=clock.now(),
        )

        close.close(period.pk, now=clock.now())

        assert MeterEvent.objects.get(identifier="ordinary").superseded_at is not None


class TestDue:
    def test_waits_for_reports_on_their_way_and_starts_with_the_oldest(self, settings: Any) -> None:
        settings.BILLING_CLOSE_DELAY = timedelta(minutes=10)
        periods = []
        for name, minutes_ago in [("one", 11), ("two", 30), ("three", 9)]:
            plan, _ = make_subscriber(name)
            ends_at = clock.now() - timedelta(minutes=minutes_ago)
            BillingPeriod.objects.filter(plan=plan).update(ends_at=ends_at)
            periods.append(plan.periods.get().pk)

        assert list(close.due(now=clock.now())) == [periods[1], periods[0]]


class TestMissedPeriods:
    """The service was down over two ends of Acme's periods and one of Globex's."""

    @pytest.fixture
    def missed(self) -> tuple[BillingPeriod, BillingPeriod, BillingPeriod]:
        made = []
        for name in ("acme", "globex"):
            plan, project = make_subscriber(name)
            now = clock.now()
            report(project, 4, ago=timedelta(days=9))
            report(project, 2, ago=timedelta(days=4))
            BillingPeriod.objects.filter(plan=plan).update(ends_at=now - timedelta(days=5))
            younger = make_period(
                plan, starts_at=now - timedelta(days=5), ends_at=now - timedelta(days=2)
            )
            made.append((plan.periods.exclude(pk=younger.pk).get(), younger))
        BillingPeriod.objects.filter(pk=made[1][1].pk).delete()
        return *made[0], made[1][0]

    def test_are_closed_one_by_one_from_their_own_bounds(
        self, missed: tuple[BillingPeriod, BillingPeriod, BillingPeriod]
    ) -> None:
        older, younger, other = missed

        attempts = list(close.close_due(now=clock.now()))

        assert [attempt.period_id for attempt in attempts] == [older.pk, other.pk, younger.pk]
        closed = [attempt.statement for attempt in attempts]
        assert [statement and statement.series for statement in closed] == [4, 4, 2]
        assert Fence.objects.get(organization=older.organization).at == younger.ends_at

    def test_a_failing_one_holds_the_younger_one_of_its_organization_only(
        self,
        missed: tuple[BillingPeriod, BillingPeriod, BillingPeriod],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        older, younger, other = missed
        freeze = close._freeze

        def fail(period: BillingPeriod, *, now: datetime) -> Statement:
            if period.pk == older.pk:
                raise close.LedgerDisagreesError(period.pk, ledger=1, recount=2)
            return freeze(period, now=now)

        monkeypatch.setattr(close, "_freeze", fail)

        attempts = list(close.close_due(now=clock.now()))

        assert [attempt.period_id for attempt in attempts if attempt.statement] == [other.pk]
        assert [attempt.failure for attempt in attempts] == [
            f"Period {older.pk}: the ledger has 1 series, the reports have 2.",
            "",
            f"Period {younger.pk} waits: an older one of its organization is open.",
        ]
        younger.refresh_from_db()
        assert younger.state == BillingPeriod.State.OPEN

    def test_a_younger_one_is_refused_before_it_raises_the_fence(
        self, missed: tuple[BillingPeriod, BillingPeriod, BillingPeriod]
    ) -> None:
        older, younger, _ = missed

        with pytest.raises(close.OlderPeriodError):
            close.close(younger.pk, now=clock.now())

        assert Fence.objects.get(organization=older.organization).at == older.starts_at


class TestMidPeriod:
    def test_a_plan_that_starts_mid_life_counts_from_its_period_start(self) -> None:
        organization = make_organization("Acme", leader=make_user("acme"))
        project = make_project("Engine", organization=organization, visibility=Visibility.PRIVATE)
        now = clock.now()
        report(project, 9, ago=timedelta(hours=6))
        plan = make_plan(organization)
        period = make_period(plan, starts_at=now - timedelta(hours=3), ends_at=now + MONTH)
        report(project, 4, ago=timedelta(hours=2))
        BillingPeriod.objects.update(ends_at=clock.now())

        assert close.close(period.pk, now=clock.now()).series == 4

    def test_a_project_cannot_move_to_another_organization(self) -> None:
        _, project = make_subscriber("acme")
        other, _ = make_subscriber("globex")

        with (
            pytest.raises(IntegrityError, match="cannot move"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(
                "UPDATE series_project SET organization_id = %s WHERE id = %s",
                [other.organization_id, project.pk],
            )

        project.refresh_from_db()
        assert project.organization.name == "Acme"

    def test_a_project_is_otherwise_changed_freely(self) -> None:
        _, project = make_subscriber("acme")

        project.name = "Motor"
        project.save()

        assert Project.objects.get(pk=project.pk).name == "Motor"


class TestFinality:
    @pytest.fixture
    def statement(self) -> Statement:
        plan, project = make_subscriber("acme")
        report(project, 2, ago=timedelta(minutes=1))
        statement = close.close(end(plan).pk, now=clock.now())
        Settlement.objects.create(
            statement=statement,
            stripe_invoice_id="in_1",
            amount_cents=10000,
            agrees=True,
            settled_at=clock.now(),
        )
        with connection.cursor() as cursor:
            # As after a commit: checks that are still to come would refuse a TRUNCATE first.
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        return statement

    @pytest.mark.parametrize(
        "attack",
        [
            "UPDATE billing_statement SET series = series - 1",
            "UPDATE billing_statement SET late_changes = '[]'",
            "UPDATE billing_statement SET evidence_sha256 = repeat('0', 64)",
            "DELETE FROM billing_statement",
            "TRUNCATE billing_statement CASCADE",
            "UPDATE billing_statementline SET billed = false",
            "DELETE FROM billing_statementline",
            "TRUNCATE billing_statementline",
            "UPDATE billing_settlement SET agrees = false",
            "DELETE FROM billing_settlement",
            "TRUNCATE billing_settlement",
        ],
    )
    def test_raw_sql_cannot_alter_it(self, statement: Statement, attack: str) -> None:
        with (
            pytest.raises(IntegrityError, match="are final"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(attack)

    def test_one_statement_per_subscription_and_start(self, statement: Statement) -> None:
        other = BillingPeriod.objects.get(pk=statement.period_id)
        other.pk = None
        other.starts_at, other.ends_at = other.starts_at - MONTH, other.starts_at
        other.save()
        with pytest.raises(IntegrityError), transaction.atomic():
            Statement.objects.create(
                period=other,
                organization_id=statement.organization_id,
                stripe_subscription_id=statement.stripe_subscription_id,
                starts_at=statement.starts_at,
                ends_at=statement.ends_at,
                kind="paid",
                stripe_price_id=statement.stripe_price_id,
                series=0,
                total_series=0,
                amount_cents=0,
                evidence_sha256=statement.evidence_sha256,
                closed_at=clock.now(),
            )

    def test_the_periods_of_an_organization_never_overlap(self, statement: Statement) -> None:
        other = BillingPeriod.objects.get(pk=statement.period_id)
        other.pk = None
        other.stripe_subscription_id = "sub_other"
        other.starts_at += timedelta(days=1)
        with pytest.raises(IntegrityError, match="overlap"), transaction.atomic():
            other.save()


class TestEvidence:
    def test_a_closed_period_can_still_be_recounted_later(self) -> None:
        plan, project = make_subscriber("acme")
        report(project, 3, ago=timedelta(hours=1))
        period = end(plan)
        statement = close.close(period.pk, now=clock.now())
        # The same series report again, so the ledger's rows have moved on.
        report(project, 3)
        assert MetricColumn.objects.count() == 2

        recount = recounting.recount(
            plan.organization_id,
            start=period.starts_at,
            end=period.ends_at,
            basis=Basis.PRIVATE,
        )

        assert recount.billed == statement.series == 3
