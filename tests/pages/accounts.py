"""Activity, plans and statements for pages to show."""

import hashlib
import json
from datetime import datetime
from typing import Any

from django.db import transaction
from django.test import Client
from djstripe.models import Customer as MirroredCustomer
from djstripe.models import Invoice as MirroredInvoice

from bencher.tenancy.models import Organization
from billing.models import BillingPeriod, MeterEvent, Plan, Settlement, Statement
from series import dimensions, last_seen
from series.dimensions import NewMeasure, Wanted
from series.models import Project
from tests import factories
from tests.factories import DEC, NOV

SEP = datetime(2026, 9, 1, tzinfo=NOV.tzinfo)
OCT = datetime(2026, 10, 1, tzinfo=NOV.tzinfo)


def make_series(project: Project, number: int, *, at: datetime) -> None:
    """Let a project have that many series, last seen at an instant."""
    names = [f"bench {index}" for index in range(number)]
    with transaction.atomic():
        wanted = Wanted(
            testbed="ci",
            benchmarks=names,
            measures=["latency"],
            describe=lambda name: NewMeasure(name, "ns"),
        )
        found = dimensions.resolve(project.pk, wanted, now=at)
        last_seen.record(
            organization_id=project.organization_id,
            project_id=project.pk,
            testbed_id=found.testbeds["ci"].id,
            benchmark_ids=[benchmark.id for benchmark in found.benchmarks.values()],
            measure_ids=[found.measures["latency"].id] * number,
            at=at,
        )


def make_report(
    project: Project,
    *names: str,
    at: datetime,
    testbed: str = "ci",
    measures: tuple[str, ...] = ("latency",),
) -> str:
    """Report benchmarks of these names as CI does, and return the report's UUID."""
    results = {name: {measure: {"value": 1} for measure in measures} for name in names}
    client = Client(headers={"authorization": f"Bearer {factories.make_project_key(project)}"})
    answer = client.post(
        f"/v0/projects/{project.uuid}/reports",
        factories.report_body(json.dumps(results), end_time=at, testbed=testbed),
        content_type="application/json",
    )
    assert answer.status_code == 201, answer.content
    uuid: str = answer.json()["uuid"]
    return uuid


def make_november(
    plan: Plan, *, kind: BillingPeriod.Kind = BillingPeriod.Kind.PAID
) -> BillingPeriod:
    """Let a plan be in its November."""
    return factories.make_period(plan, starts_at=NOV, ends_at=DEC, kind=kind)


def make_event(period: BillingPeriod, value: int, *, at: datetime) -> MeterEvent:
    """Store a value to be posted."""
    customer = factories.make_customer(period.organization)
    return MeterEvent.objects.create(
        meter=MeterEvent.Meter.ACTIVE_SERIES,
        organization=period.organization,
        customer=customer,
        period=period,
        value=value,
        timestamp=at,
        identifier=f"{customer.stripe_customer_id}-{int(at.timestamp())}",
        reason=MeterEvent.Reason.HINT,
        counted_at=at,
    )


def make_october_statement(plan: Plan, *, series: int, amount_cents: int) -> Statement:
    """Close a plan's October."""
    return make_statement(
        plan, starts_at=OCT, ends_at=NOV, series=series, amount_cents=amount_cents
    )


def make_statement(
    plan: Plan, *, starts_at: datetime, ends_at: datetime, series: int, amount_cents: int
) -> Statement:
    """Close a period of a plan."""
    return Statement.objects.create(
        period=factories.make_period(plan, starts_at=starts_at, ends_at=ends_at),
        organization=plan.organization,
        stripe_subscription_id=plan.stripe_subscription_id,
        stripe_price_id=plan.stripe_price_id,
        starts_at=starts_at,
        ends_at=ends_at,
        kind=BillingPeriod.Kind.PAID,
        series=series,
        total_series=series,
        amount_cents=amount_cents,
        evidence_sha256=hashlib.sha256().hexdigest(),
        closed_at=ends_at,
    )


def make_settlement(statement: Statement, *, difference: str) -> Settlement:
    """Settle a statement; an empty difference agrees."""
    return Settlement.objects.create(
        statement=statement,
        stripe_invoice_id=f"in_{statement.pk}",
        series=statement.series,
        amount_cents=statement.amount_cents,
        agrees=not difference,
        difference=difference,
        settled_at=NOV,
    )


def make_invoice(
    organization: Organization, name: str, *, created: datetime, **more: Any
) -> MirroredInvoice:
    """Let dj-stripe hold a paid invoice of $100.00, in_{name}; `more` replaces Stripe's fields."""
    customer, _ = MirroredCustomer.objects.get_or_create(
        id=factories.make_customer(organization).stripe_customer_id, livemode=False
    )
    page = f"https://invoice.stripe.com/i/{name}"
    data = {
        "object": "invoice",
        "number": name,
        "status": "paid",
        "billing_reason": "subscription_cycle",
        "currency": "usd",
        "period_start": int(OCT.timestamp()),
        "period_end": int(created.timestamp()),
        "total": 10000,
        "total_taxes": [],
        "amount_remaining": 0,
        "hosted_invoice_url": page,
        "invoice_pdf": f"{page}/pdf",
    }
    return MirroredInvoice.objects.create(
        id=f"in_{name}",
        customer=customer,
        created=created,
        livemode=False,
        stripe_data=data | more,
    )
