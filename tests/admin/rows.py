"""Rows of every kind that staff can look at."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import msgspec

from bencher import staff_log
from bencher.tenancy import invitations
from bencher.tenancy.models import Organization, Role, User
from billing.models import (
    Budget,
    Cancellation,
    Checkout,
    Correction,
    CorrectionDecision,
    Drift,
    EarlierSubscription,
    FlatFeeProof,
    Freeze,
    MeterErrorReport,
    MeterErrorSample,
    MeterEvent,
    MetricsPeriod,
    Notice,
    Plan,
    Release,
    RunnerMinutes,
    ScheduledRun,
    SecondSubscription,
    Statement,
    StatementLine,
    Verification,
    WebhookReceipt,
)
from ingest import reports, wire
from series import projects
from series.models import Project, ProjectMembership, ProjectRole, Visibility
from tests import factories
from tests.factories import NOV
from tests.pages import accounts

NOW = NOV + timedelta(days=17)


def make_world(number: int, *, now: datetime) -> Organization:
    """Create an organization with at least one row of every kind, and `number` active series."""
    leader = factories.make_user(f"leader{number}")
    organization = factories.make_organization(f"Org {number}", leader=leader)
    factories.make_user_key(leader)
    invitations.invite(
        organization, email=f"new{number}@example.com", role=Role.MEMBER, by=leader, now=now
    )
    project = factories.make_project(
        f"Project {number}", organization=organization, visibility=Visibility.PRIVATE
    )
    factories.make_project_key(project)
    ProjectMembership.objects.create(
        user=leader, project=project, role=ProjectRole.VIEWER, created_at=NOV
    )
    projects.set_visibility(project, Visibility.PUBLIC, now=NOV, by=leader)
    projects.set_visibility(project, Visibility.PRIVATE, now=NOV, by=leader)
    _make_report(project, leader, benchmarks=number, at=now)
    _make_billing(organization, leader, number, now=now)
    staff_log.write(organization, by=leader, at=now, said="Looked at.")
    return organization


def make_line(statement: Statement, project: Project, *, at: datetime) -> StatementLine:
    """Create a line of a statement."""
    return StatementLine.objects.create(
        statement=statement,
        project_uuid=project.uuid,
        project_name=project.name,
        project_visibility=project.visibility,
        project_deleted=False,
        billed=True,
        testbed_uuid=uuid4(),
        testbed_name="ci",
        benchmark_uuid=uuid4(),
        benchmark_name="bench",
        measure_uuid=uuid4(),
        measure_name="latency",
        first_report_uuid=uuid4(),
        first_seen_at=at,
        last_report_uuid=uuid4(),
        last_seen_at=at,
    )


def make_minutes(plan: Plan, *, at: datetime, **more: Any) -> MeterEvent:
    """Store minutes of a runner of a plan's organization, which have no period."""
    return MeterEvent.objects.create(
        meter=MeterEvent.Meter.RUNNER_MINUTES,
        organization=plan.organization,
        customer=factories.make_customer(plan.organization),
        source_uuid=uuid4(),
        value=900,
        timestamp=at,
        identifier=str(uuid4()),
        reason=MeterEvent.Reason.USAGE,
        counted_at=at,
        **more,
    )


def _make_report(project: Project, user: User, *, benchmarks: int, at: datetime) -> None:
    body = msgspec.json.encode(factories.report_body(factories.bmf(benchmarks), end_time=at))
    sent = reports.submission(project=project, payload=wire.decode(body), body=body, user=user)
    reports.accept(sent, now=at)


def _make_billing(organization: Organization, leader: User, number: int, *, now: datetime) -> None:
    plan = factories.make_plan(organization)
    statement = accounts.make_october_statement(plan, series=1, amount_cents=10000)
    make_line(statement, organization.projects.get(), at=accounts.OCT)
    accounts.make_settlement(statement, difference="")
    accounts.make_event(accounts.make_november(plan), number, at=now - timedelta(hours=1))
    Drift.objects.create(
        organization=organization,
        period=statement.period,
        reason=Drift.Reason.INVOICE,
        differences="The invoice differs.",
        figures={"recount": 1},
        found_at=now,
        checked_at=now,
    )
    MeterErrorSample.objects.create(
        report=MeterErrorReport.objects.create(
            event_id=f"evt_thin_{number}",
            type="v1.billing.meter.error_report_triggered",
            received_at=now,
        ),
        code="archived_meter",
        message="The meter is archived.",
        organization=organization,
    )
    CorrectionDecision.objects.create(
        correction=Correction.objects.create(
            statement=statement,
            series=0,
            amount_cents=10000,
            before_series=1,
            before_cents=10000,
            why="It was counted twice.",
            proposed_by=leader,
            proposed_at=now,
        ),
        applied=False,
        decided_by=leader,
        decided_at=now,
    )
    Verification.objects.create(
        period=statement.period, checked_at=now, next_check_at=now, stripe_invoice_id="in_1"
    )
    MetricsPeriod.objects.create(
        organization=organization,
        plan=plan,
        stripe_subscription_id=f"sub_older_{number}",
        starts_at=NOV - timedelta(days=90 * number),
        ends_at=NOV - timedelta(days=90 * number - 30),
        metered_from=NOV - timedelta(days=90 * number),
    )
    RunnerMinutes.objects.create(
        organization=organization,
        runner="iron",
        minutes=5,
        start_time=now,
        idempotency_key="job-1",
        received_at=now,
    )
    Cancellation.objects.create(
        plan=plan, requested_by=leader, reason="closed", requested_at=now, ends_at=now
    )
    Release.objects.create(
        plan=plan, released_by=leader, reason="new price", held_why="changed", released_at=now
    )
    Freeze.objects.create(
        organization=organization, begun_by=leader, reason="a question", begun_at=now
    )
    SecondSubscription.objects.create(
        organization=organization, stripe_subscription_id=f"sub_second_{number}", found_at=now
    )
    EarlierSubscription.objects.create(
        organization=organization, stripe_subscription_id=f"sub_earlier_{number}", noted_at=now
    )
    Budget.objects.create(
        organization=organization, unit="series", limit=100, set_by=leader, set_at=now
    )
    Notice.objects.create(
        organization=organization,
        kind="payment-failed",
        about="past_due",
        figures={"status": "past_due"},
        noticed_at=now,
    )
    Checkout.objects.create(
        organization=organization,
        stripe_session_id=f"cs_{number}",
        started_by=leader,
        with_trial=True,
        created_at=NOV,
    )
    WebhookReceipt.objects.create(
        event_id=f"evt_{number}", type="invoice.paid", object_id="in_1", received_at=NOV
    )
    FlatFeeProof.objects.create(
        stripe_price_id="price_1",
        tiers=[],
        expected_cents=10000,
        charged_cents=10000,
        asked_at=NOV,
    )
    ScheduledRun.objects.create(name="sweep", started_at=NOV, result={"plans": 1})
