"""What must hold after every step, whatever happened."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from django.db.models import F

from bencher import clock
from billing import posting
from billing.models import BillingPeriod, Cancellation, MeterEvent, Plan, Settlement, Statement
from ingest import backfill
from series import counting, recounting
from series.counting import Basis
from series.models import ProjectChange, SeriesLastSeen
from series.recounting import Recount
from tests.machine.oracle import Line, price_cents
from tests.machine.world import MINUTE, SECOND, Tenant, World, instant

FINAL = ("open", "paid", "uncollectible")


def check(world: World) -> None:
    """Check everything; what is new in the statements is compared with the oracle as it is now."""
    for tenant in world.tenants:
        new = list(world.listen(tenant))
        for statement in new:
            _new_statement(world, tenant, statement)
        _ledger(tenant)
        _open_period(tenant)
        _statements(tenant)
        _changes(tenant)
        _events(world, tenant)
        _after_close(tenant)
        _subscriptions(world, tenant)
        _invoices(world, tenant)
    assert list(backfill.differences(limit=10)) == []


def _ledger(tenant: Tenant) -> None:
    rows = SeriesLastSeen.objects.filter(organization=tenant.organization).values_list(
        "project__slug", "testbed__name", "benchmark__name", "measure__name", "last_seen"
    )
    assert {tuple(names): seen for *names, seen in rows} == tenant.oracle.ledger()


def _open_period(tenant: Tenant) -> None:
    now = clock.now()
    for period in BillingPeriod.objects.filter(
        organization=tenant.organization, starts_at__lte=now, ends_at__gt=now
    ):
        wanted = tenant.oracle.billed(period.starts_at, period.ends_at)
        bounds: Any = {"start": period.starts_at, "end": period.ends_at, "basis": Basis.PRIVATE}
        recount = recounting.recount(tenant.organization.pk, **bounds)
        assert recount.billed == wanted
        if Cancellation.objects.filter(plan=period.plan, finished_at=None).exists():
            # What is seen before the minute at which it is cut lies past its end already.
            continue
        count = counting.count_active(tenant.organization.pk, **bounds)
        assert count.billed == wanted
        assert count.projects == recount.projects
        if period.state == BillingPeriod.State.OPEN:
            posted = [value for _, value, _ in posting.preview([period.plan_id])]
            assert posted in ([], [wanted])
            usage = tenant.api.get(f"{tenant.path}/usage").json()
            assert usage["active_series"] == wanted


def _new_statement(world: World, tenant: Tenant, statement: dict[str, Any]) -> None:
    start, end = _bounds(statement)
    wanted = tenant.oracle.lines(start, end)
    assert statement["active_series"] == sum(line.billed for line in wanted.values())
    assert statement["total_series"] == len(wanted)
    trial = statement["kind"] == "trial"
    assert statement["amount_cents"] == (0 if trial else price_cents(statement["active_series"]))
    slugs = {project.uuid: project.slug for project in tenant.projects}
    lines = Statement.objects.get(uuid=statement["uuid"]).lines.all()
    assert wanted == {
        (slugs[line.project_uuid], line.testbed_name, line.benchmark_name, line.measure_name): Line(
            line.billed, line.first_seen_at, line.last_seen_at
        )
        for line in lines
    }
    _late_changes(world, tenant, statement, {project for project, *_ in wanted})
    world.happened[f"{statement['kind']} period closed"] += 1
    world.happened["statement with series"] += statement["active_series"] > 0
    world.happened["statement with series not billed"] += statement["active_series"] < len(wanted)


def _late_changes(
    world: World, tenant: Tenant, statement: dict[str, Any], listed: set[str]
) -> None:
    """Check that a statement tells what lowered it in the last two days."""
    _, end = _bounds(statement)
    since = end - timedelta(days=2)
    if any(abs(fall.at - since) < MINUTE for fall in tenant.oracle.falls):
        return
    slugs = {str(project.uuid): project.slug for project in tenant.projects}
    told = Counter(
        slugs[change["project"]]
        for change in statement["late_changes"]
        if change["kind"] in ("made_public", "deleted")
    )
    wanted = Counter(
        fall.project for fall in tenant.oracle.falls if fall.at >= since and fall.project in listed
    )
    assert told == wanted
    world.happened["late change told"] += wanted.total()


def _statements(tenant: Tenant) -> None:
    """Check each statement against its own lines and the reports, however long it is closed."""
    known = tenant.statements
    stored = Statement.objects.filter(organization=tenant.organization).prefetch_related("lines")
    assert {found.uuid for found in stored} == set(known)
    assert len({(found.stripe_subscription_id, found.starts_at) for found in stored}) == len(known)
    slugs = {project.uuid: project.slug for project in tenant.projects}
    for found in stored:
        lines = found.lines.all()
        assert known[found.uuid]["active_series"] == found.series
        assert found.series == sum(line.billed for line in lines)
        by_project = Counter(slugs[line.project_uuid] for line in lines)
        assert by_project == _by_project(tenant, found.starts_at, found.ends_at)
        assert by_project == tenant.oracle.by_project(found.starts_at, found.ends_at)


def _by_project(tenant: Tenant, start: datetime, end: datetime) -> dict[str, int]:
    recount: Recount = recounting.recount(
        tenant.organization.pk, start=start, end=end, basis=Basis.PRIVATE
    )
    return {project.slug: project.series for project in recount.projects}


def _changes(tenant: Tenant) -> None:
    """Check that everything that can lower a count is recorded, once."""
    recorded = ProjectChange.objects.filter(
        project__organization=tenant.organization,
        kind__in=[ProjectChange.Kind.MADE_PUBLIC, ProjectChange.Kind.DELETED],
    )
    assert recorded.count() == len(tenant.oracle.falls)


def _events(world: World, tenant: Tenant) -> None:
    events = MeterEvent.objects.filter(organization=tenant.organization).select_related("period")
    by_period: dict[int, list[MeterEvent]] = {}
    for event in events.order_by("timestamp"):
        assert event.period is not None
        start, end = event.period.starts_at, event.period.ends_at
        assert start <= event.timestamp < end
        # No event lies in a minute that contains a bound of the period.
        minute = event.timestamp.replace(second=0, microsecond=0)
        assert minute >= start and minute + MINUTE <= end  # noqa: PT018
        by_period.setdefault(event.period.pk, []).append(event)
    for ordered in by_period.values():
        for before, after in pairwise(ordered):
            assert before.timestamp < after.timestamp
            if after.value < before.value:
                assert _fell_between(tenant, before, after)
                world.happened["posted value fell"] += 1
        closing = [event for event in ordered if event.reason == MeterEvent.Reason.CLOSE]
        assert ordered[-len(closing) :] == closing or not closing


def _fell_between(tenant: Tenant, before: MeterEvent, after: MeterEvent) -> bool:
    """Tell whether a project was made public or deleted between the counts of two events."""
    return any(
        before.counted_at - SECOND <= fall.at <= after.counted_at + SECOND
        for fall in tenant.oracle.falls
    )


def _subscriptions(world: World, tenant: Tenant) -> None:
    assert sum(found["trial_end"] is not None for found in world.subscriptions(tenant)) <= 1
    live = world.live(tenant)
    # A second one can be completed beside it and is taken back; it is not sold here.
    assert len(live) <= 1


def _invoices(world: World, tenant: Tenant) -> None:
    """Check what Stripe charges in the end against the statement of that period."""
    for line in _charged(world, tenant):
        statement = _billed_by(line)
        assert statement is not None or line["amount"] == 0
        if statement is not None:
            assert line["amount"] == statement.amount_cents
            assert _counts(line, statement) or _is_too_soon(line, statement)


def _counts(line: dict[str, Any], statement: Statement) -> bool:
    in_trial = statement.kind == BillingPeriod.Kind.TRIAL
    return in_trial or (line["quantity"] or 0) == statement.series


def _is_too_soon(line: dict[str, Any], statement: Statement) -> bool:
    """Tell whether Stripe made the invoice final as the period ended, with nobody to wait for.

    It does so after a cancellation at the period's end, in one of its undocumented ways; then the
    last minutes are missing, which the settlement must say. One at once waits for its proof.
    """
    canceled = Cancellation.objects.filter(plan=statement.period.plan, ends_at=statement.ends_at)
    return line["drafted_for"] == 0 and not canceled.exists()


def check_the_end(world: World) -> None:
    """Check what holds once everything had time: each statement that costs something was billed."""
    for tenant in world.tenants:
        billed = [_billed_by(line) for line in _charged(world, tenant) if line["amount"]]
        owed = Statement.objects.filter(organization=tenant.organization, amount_cents__gt=0)
        assert sorted(found.pk for found in billed if found) == sorted(found.pk for found in owed)
        live = Plan.objects.filter(organization=tenant.organization, ended_at=None)
        assert {found["id"] for found in world.live(tenant)} == {
            found.stripe_subscription_id for found in live
        }
        waiting = MeterEvent.objects.filter(
            organization=tenant.organization, sent_at=None, superseded_at=None
        )
        assert not waiting.exists()
        assert not Cancellation.objects.filter(finished_at=None).exists()
        too_soon = {
            statement
            for line in _charged(world, tenant)
            if (statement := _billed_by(line)) and not _counts(line, statement)
        }
        disagreeing = Settlement.objects.filter(
            statement__organization=tenant.organization, agrees=False
        )
        assert {found.statement for found in disagreeing} == too_soon
        world.happened["invoice final too soon"] += len(too_soon)


def _charged(world: World, tenant: Tenant) -> Iterator[dict[str, Any]]:
    """Yield the lines of final invoices, without those that are made when a plan begins."""
    ids = {found["id"] for found in world.subscriptions(tenant)}
    for invoice in world.sandbox.objects("invoice"):
        subscription = invoice["parent"]["subscription_details"]["subscription"]
        if subscription not in ids or invoice["status"] not in FINAL:
            continue
        for line in invoice["lines"]:
            if invoice["billing_reason"] == "subscription_create":
                assert line["amount"] == 0
            else:
                finalized_at = invoice["status_transitions"]["finalized_at"]
                drafted_for = finalized_at - invoice["created"]
                yield {**line, "subscription": subscription, "drafted_for": drafted_for}


def _billed_by(line: dict[str, Any]) -> Statement | None:
    """Return the statement of the period that a line bills: ours may end before Stripe's."""
    start, end = instant(line["period"]["start"]), instant(line["period"]["end"])
    return Statement.objects.filter(
        stripe_subscription_id=line["subscription"], starts_at=start, ends_at__lte=end
    ).first()


def _after_close(tenant: Tenant) -> None:
    """Check that nothing but closing values is posted for a period that is closed."""
    closed = BillingPeriod.objects.filter(organization=tenant.organization).exclude(
        state=BillingPeriod.State.OPEN
    )
    events = MeterEvent.objects.filter(period__in=closed).exclude(reason=MeterEvent.Reason.CLOSE)
    assert not events.filter(counted_at__gt=F("period__statement__closed_at")).exists()
    assert not events.filter(sent_at=None, superseded_at=None, claimed_at=None).exists()


def _bounds(statement: dict[str, Any]) -> tuple[datetime, datetime]:
    return (
        datetime.fromisoformat(statement["start_time"]),
        datetime.fromisoformat(statement["end_time"]),
    )
