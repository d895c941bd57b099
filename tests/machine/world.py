"""The system as a whole, driven from outside: HTTP for people and CI, tasks for beat and workers.

What would be enqueued is kept in a list, to be run or lost. Time is the sandbox's clock and the
stored offset that follows it; nothing waits.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any
from unittest.mock import patch
from uuid import UUID, uuid4

import msgspec
from celery.app.task import Task
from django.db.models import Count, F, Q, Sum
from django.test import Client

from bencher import clock
from bencher.tenancy.models import Organization, User
from billing import claims, customers, gateway, hints, plans, prices, stripe_setup, tasks
from billing.models import (
    TERMINAL_STATUSES,
    BillingPeriod,
    Cancellation,
    Plan,
    Statement,
    Verification,
)
from series import projects
from series.models import Project, Visibility
from tests import databases
from tests.factories import (
    make_organization,
    make_project,
    make_project_key,
    make_user,
    make_user_key,
    report_body,
)
from tests.machine.crashes import CrashPoints
from tests.machine.oracle import Fall, Oracle, ProjectKnown, Results
from tests.sandbox.shop import make_client
from tests.stripe_sandbox import Sandbox
from tests.stripe_sandbox.faults import ANSWERLESS, METER_EVENTS, Fault

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
DAY = timedelta(days=1)
# By now the first of the minute timers has run after the delay of a close.
CLOSED_BY = timedelta(minutes=11)
# Where Stripe fails, what is not done is tried again so often: each few minutes, for some hours.
AGAIN, TRIES = 4 * MINUTE, 60
# More in a row than the client tries by itself, so that calls fail for good; but not for ever.
IN_A_ROW = 4
# The share of meter events that Stripe accepts and loses while it fails.
LOST = 0.5
Enqueued = tuple[Callable[..., Any], dict[str, Any]]


@dataclass
class Tenant:
    """An organization, its key ring and the oracle that listens in."""

    organization: Organization
    leader: User
    api: Client
    projects: list[Project]
    keys: dict[str, str]
    oracle: Oracle = field(default_factory=Oracle)
    statements: dict[UUID, dict[str, Any]] = field(default_factory=dict)
    # How many periods there were when somebody looked.
    periods: int = 0

    @property
    def path(self) -> str:
        """Return the organization's address in the API."""
        return f"/v0/organizations/{self.organization.uuid}"

    @property
    def browser(self) -> Client:
        """Return a browser in which the leader is signed in."""
        browser = Client()
        browser.force_login(self.leader)
        return browser

    def watch_periods(self) -> None:
        """Note what a period that was opened since fences off.

        To be called after each task: one that closes a period fences off more.
        """
        starts = BillingPeriod.objects.filter(organization=self.organization)
        known = starts.count()
        oldest = starts.filter(state=BillingPeriod.State.OPEN).order_by("starts_at").first()
        if known > self.periods and oldest is not None:
            self.oracle.fence_at(oldest.starts_at)
        self.periods = known


@dataclass
class SentReport:
    """A report that was accepted, to be repeated or deleted."""

    tenant: Tenant
    project: Project
    body: dict[str, Any]
    uuid: str
    is_deleted: bool = False


class World:
    """Acme with a private and a public project, Globex with a private one, and Stripe."""

    def __init__(self, sandbox: Sandbox, crashes: CrashPoints, *, start: datetime) -> None:
        self.sandbox, self.crashes = sandbox, crashes
        self.queue: list[Enqueued] = []
        self.reports: list[SentReport] = []
        self.is_failing = False
        # What is worth knowing to have happened at all.
        self.happened: Counter[str] = Counter()
        self._stack = ExitStack()
        self._enter()
        sandbox.set_clock(int(start.timestamp()))
        self.follow()
        list(stripe_setup.run())
        for endpoint in sandbox.objects("webhook_endpoint"):
            gateway.connect().delete_webhook_endpoint(str(endpoint["id"]))
        self.tenants = [
            self.found_tenant("acme", [Visibility.PRIVATE, Visibility.PUBLIC]),
            self.found_tenant("globex", [Visibility.PRIVATE]),
        ]

    def _enter(self) -> None:
        """Keep what is enqueued, and install the points at which an action may die."""

        def keep(task: Any, args: Any = None, kwargs: Any = None, **_: Any) -> None:
            self.queue.append((task.run, dict(kwargs or {})))

        def hint(organization_id: int) -> bool:
            self.queue.append((tasks.post_active_series.run, {"organization_id": organization_id}))
            return True

        self._stack.enter_context(patch.object(Task, "apply_async", keep))
        self._stack.enter_context(patch.object(hints, "schedule", hint))
        self._stack.enter_context(patch.object(hints, "began", lambda _: None))
        # Back-off is real waiting, of which there is none here.
        self._stack.enter_context(patch.object(claims, "_backoff", lambda _: 0.0))
        self._stack.enter_context(self.crashes.installed())

    def close(self) -> None:
        """Take everything back."""
        self._stack.close()

    def reached(self) -> Counter[str]:
        """Return how often this history came to what is hard to come to."""
        statements = Statement.objects.all()
        taken_up = Plan.objects.values("organization").annotate(number=Count("id"))
        requests = self.sandbox.requests
        faults = Counter(f"call met {recorded.fault}" for recorded in requests if recorded.fault)
        resends = Verification.objects.aggregate(sum=Sum("resends"))["sum"]
        return Counter(
            {
                "call that failed": faults.total(),
                "event that Stripe had already": sum(
                    "already exists with identifier" in str(recorded.response)
                    for recorded in requests
                ),
                "plan taken up again": sum(row["number"] - 1 for row in taken_up),
                "statement of a plan that ended": statements.exclude(
                    period__plan__ended_at=None
                ).count(),
                "statement of a plan canceled at once": statements.filter(
                    ends_at=F("period__plan__cancellation__ends_at")
                ).count(),
                "closing event sent again": resends or 0,
                "draft moved out": Verification.objects.exclude(postponed_at=None).count(),
                **faults,
            }
        )

    def found_tenant(self, name: str, visibilities: list[Visibility]) -> Tenant:
        """Found an organization with its projects and keys; it is in no list yet."""
        leader = make_user(f"leads-{name}")
        organization = make_organization(name.title(), leader=leader)
        found = [
            make_project(f"{name} {number}", organization=organization, visibility=visibility)
            for number, visibility in enumerate(visibilities)
        ]
        tenant = Tenant(
            organization=organization,
            leader=leader,
            api=Client(headers={"authorization": f"Bearer {make_user_key(leader)}"}),
            projects=found,
            keys={project.slug: make_project_key(project) for project in found},
        )
        for project in found:
            tenant.oracle.projects[project.slug] = ProjectKnown(
                private=project.visibility == Visibility.PRIVATE
            )
        return tenant

    # Time

    def follow(self) -> None:
        """Let our clock show what Stripe's shows."""
        clock.set_ahead(timedelta(seconds=self.sandbox.clock.offset))

    def move(self, to: datetime) -> None:
        """Move both clocks forward."""
        now = clock.now()
        if to > now:
            self.sandbox.advance(int(to.timestamp()) + 1)
            self.follow()

    def minute_timers(self, crash_at: int) -> None:
        """Run what beat runs each minute, each dying at a point of it and running again."""
        for task in (
            tasks.sync_plans,
            tasks.close_periods,
            tasks.send_meter_events,
            tasks.verify_closings,
            tasks.sync_plans,
        ):
            self.attempt(task.run, crash_at=crash_at)

    def attempt(self, act: Callable[[], Any], *, crash_at: int) -> Any:
        """Do something that may die on the way, and see what it opened; returns its outcome."""
        outcome = self.crashes.attempt(act, crash_at=crash_at)
        for tenant in self.tenants:
            tenant.watch_periods()
        return outcome

    def finish(self, crash_at: int) -> None:
        """Run the minute timers, and where something is left undone, again and again."""
        self.minute_timers(crash_at)
        for _ in range(TRIES):
            if not self.is_unfinished():
                return
            self.move(clock.now() + AGAIN)
            self.minute_timers(0)

    def is_unfinished(self) -> bool:
        """Tell whether the minute timers have something to do that must not wait for days."""
        now = clock.now()
        undone = Q(verification=None) | Q(verification__done_at=None)
        ended = BillingPeriod.objects.filter(ends_at__lte=now, meter_events__reason="close")
        live = Plan.objects.filter(ended_at=None)
        running = BillingPeriod.objects.filter(starts_at__lte=now, invoiced_until__gt=now) | (
            BillingPeriod.objects.filter(starts_at__lte=now, ends_at__gt=now)
        )
        is_proof_due = self.is_failing or self._has_lost_an_event(since=now - 6 * HOUR)
        return (
            (is_proof_due and ended.filter(undone, ends_at__gt=now - 6 * HOUR).exists())
            or live.exclude(periods__in=running).exists()
            or Cancellation.objects.filter(finished_at=None, ends_at__lte=now).exists()
        )

    def _has_lost_an_event(self, *, since: datetime) -> bool:
        of_late = takewhile(
            lambda recorded: recorded.at >= since.timestamp(), reversed(self.sandbox.requests)
        )
        return any(recorded.fault == Fault.ACCEPTED_AND_LOST for recorded in of_late)

    def next_deadline(self) -> datetime | None:
        """Return by when an ended period must be closed, lest its invoice be final before."""
        ends = BillingPeriod.objects.filter(state=BillingPeriod.State.OPEN).values_list(
            "ends_at", flat=True
        )
        return min(ends, default=None)

    # People and CI

    def report(
        self,
        tenant: Tenant,
        project: Project,
        *,
        testbed: str,
        branch: str,
        results: Results,
        crash_at: int,
        ago: timedelta = timedelta(0),
        end_time: datetime | None = None,
    ) -> None:
        """Report, and again with the same key where the process died.

        It ended some time ago, or exactly at an instant.
        """
        body = report_body(
            *(msgspec.json.encode(iteration).decode() for iteration in results),
            end_time=end_time or clock.now() - ago,
            branch=branch,
            testbed=testbed,
        )
        sent = SentReport(tenant, project, body | {"idempotency_key": uuid4().hex}, uuid="")
        response = self.crashes.attempt(lambda: self.post(sent), crash_at=crash_at)
        known = tenant.oracle.projects[project.slug]
        if known.deleted:
            assert response.status_code == 404, response.content
            return
        if response.status_code == 402:
            assert known.private
            assert not self.is_covered(tenant)
            return
        crashed = self.crashes.crashed
        assert response.status_code == 201, response.content
        answer = response.json()
        sent.uuid = answer["uuid"]
        self.reports.append(sent)
        fence, ended_at = tenant.oracle.fence, datetime.fromisoformat(body["end_time"])
        received_at = datetime.fromisoformat(answer["created"])
        tenant.oracle.reported(
            project.slug,
            testbed=testbed,
            results=results,
            end_time=ended_at,
            received_at=received_at,
        )
        self.happened["report accepted"] += 1
        self.happened["report sent by two processes"] += crashed
        self.happened["report dated before the fence"] += fence is not None and ended_at < fence
        self.happened["report dated ahead"] += ended_at > received_at

    def post(self, sent: SentReport) -> Any:
        """Post a report's body with its project's key."""
        return Client(
            headers={"authorization": f"Bearer {sent.tenant.keys[sent.project.slug]}"}
        ).post(
            f"/v0/projects/{sent.project.uuid}/reports",
            sent.body,
            content_type="application/json",
        )

    def last_bound(self, tenant: Tenant) -> datetime | None:
        """Return the last start or end of an organization's periods that is past."""
        periods = tenant.organization.billing_periods.values_list("starts_at", "ends_at")
        now = clock.now()
        return max((at for period in periods for at in period if at < now), default=None)

    def is_covered(self, tenant: Tenant) -> bool:
        """Tell whether private reports of an organization must be accepted.

        A subscription that nobody has told us of yet covers nothing.
        """
        known = Plan.objects.filter(organization=tenant.organization, ended_at=None)
        ids = set(known.values_list("stripe_subscription_id", flat=True))
        return any(
            found["status"] in ("trialing", "active") and found["id"] in ids
            for found in self.subscriptions(tenant)
        )

    def live(self, tenant: Tenant) -> list[dict[str, Any]]:
        """Return the subscriptions of an organization that have not ended at Stripe."""
        return [
            found
            for found in self.subscriptions(tenant)
            if found["status"] not in TERMINAL_STATUSES
        ]

    def subscriptions(self, tenant: Tenant) -> list[dict[str, Any]]:
        """Return what Stripe holds for an organization."""
        wanted = str(tenant.organization.uuid)
        return [
            found
            for found in self.sandbox.objects("subscription")
            if found["metadata"].get("organization") == wanted
        ]

    def fail(self, *, seed: int, share: float) -> None:
        """Let a share of all calls to Stripe fail in every way, and lose events it accepted."""
        self.heal()
        self.is_failing = True
        lost = (Fault.ACCEPTED_AND_LOST,)
        self.sandbox.faults.rate(LOST, seed=seed, kinds=lost, calls=METER_EVENTS, in_a_row=2)
        self.sandbox.faults.rate(share, seed=seed + 1, kinds=ANSWERLESS, in_a_row=IN_A_ROW)

    def heal(self) -> None:
        """Let Stripe answer again."""
        self.is_failing = False
        self.sandbox.faults.clear()

    def subscribe(self, tenant: Tenant, *, trial_days: int | None, crash_at: int) -> None:
        """Subscribe at Stripe, and learn of it."""
        customer = customers.of(tenant.organization, leader=tenant.leader, now=clock.now())
        # Who can't pay is canceled at Stripe two weeks later.
        stripe = make_client(self.sandbox)
        card = stripe.v1.payment_methods.attach(
            "pm_card_visa", {"customer": customer.stripe_customer_id}
        )
        stripe.v1.customers.update(
            customer.stripe_customer_id,
            {"invoice_settings": {"default_payment_method": card.id}},
        )
        created = gateway.connect().subscribe(
            customer_id=customer.stripe_customer_id,
            organization_uuid=str(tenant.organization.uuid),
            price_ids=[prices.pro_price().id],
            trial_days=trial_days,
        )
        self.crashes.attempt(lambda: plans.sync(created.id), crash_at=crash_at)
        tenant.oracle.fence_at(created.items[0].starts_at)

    def set_visibility(
        self, tenant: Tenant, project: Project, *, private: bool, crash_at: int
    ) -> None:
        """Make a project private or public, over the API."""
        change = {"visibility": "private" if private else "public"}
        response = self.crashes.attempt(
            lambda: tenant.api.patch(
                f"/v0/projects/{project.uuid}", change, content_type="application/json"
            ),
            crash_at=crash_at,
        )
        known = tenant.oracle.projects[project.slug]
        if known.deleted:
            assert response.status_code == 404
            return
        if response.status_code == 402:
            assert private
            assert not self.is_covered(tenant)
            return
        assert response.status_code == 200, response.content
        if known.private and not private:
            tenant.oracle.falls.append(Fall(project.slug, clock.now()))
            self.happened["project made public"] += 1
        known.private = private

    def delete_project(self, tenant: Tenant, project: Project, *, crash_at: int) -> None:
        """Delete a project, over the API; it is gone already where the process died too late."""
        response = self.crashes.attempt(
            lambda: tenant.api.delete(f"/v0/projects/{project.uuid}"), crash_at=crash_at
        )
        known = tenant.oracle.projects[project.slug]
        gone = known.deleted or (self.crashes.crashed and response.status_code == 404)
        assert response.status_code == (404 if gone else 204), response.content
        if not known.deleted:
            tenant.oracle.falls.append(Fall(project.slug, clock.now()))
            self.happened["project deleted"] += 1
        known.deleted = True

    def restore_project(self, tenant: Tenant, project: Project, *, crash_at: int) -> None:
        """Restore a project, as staff do."""
        found = Project.objects.get(pk=project.pk)
        self.crashes.attempt(
            lambda: projects.restore(found, now=clock.now(), by=None), crash_at=crash_at
        )
        tenant.oracle.projects[project.slug].deleted = False
        self.happened["project restored"] += 1

    def delete_report(self, sent: SentReport, *, crash_at: int) -> None:
        """Delete a report, over the API: nothing that is billed changes."""
        path = f"/v0/projects/{sent.project.uuid}/reports/{sent.uuid}"
        response = self.crashes.attempt(lambda: sent.tenant.api.delete(path), crash_at=crash_at)
        gone = sent.is_deleted or sent.tenant.oracle.projects[sent.project.slug].deleted
        gone = gone or (self.crashes.crashed and response.status_code == 404)
        assert response.status_code == (404 if gone else 204), response.content
        if not sent.tenant.oracle.projects[sent.project.slug].deleted:
            sent.is_deleted = True
            self.happened["report deleted"] += 1

    def curate(
        self,
        tenant: Tenant,
        project: Project,
        kind: str,
        name: str,
        change: dict[str, Any],
        *,
        crash_at: int,
    ) -> None:
        """Rename or archive a testbed, benchmark or measure, over the API."""
        path = f"/v0/projects/{project.uuid}/{kind}"
        listed = tenant.api.get(f"{path}?name={name}&archived=true").json()
        (found,) = listed or tenant.api.get(f"{path}?name={name}").json()
        response = self.crashes.attempt(
            lambda: tenant.api.patch(
                f"{path}/{found['uuid']}", change, content_type="application/json"
            ),
            crash_at=crash_at,
        )
        assert response.status_code == 200, response.content
        if "name" in change:
            tenant.oracle.renamed(project.slug, kind, name, change["name"])
        self.happened["entity renamed" if "name" in change else "entity archived"] += 1

    # What is seen from outside

    def listen(self, tenant: Tenant) -> Iterator[dict[str, Any]]:
        """Read an organization's statements over the API, if there are more; yield the new ones."""
        if tenant.organization.statements.count() == len(tenant.statements):
            return
        answer = tenant.api.get(f"{tenant.path}/statements?per_page=100").json()
        for statement in answer["statements"]:
            uuid = UUID(statement["uuid"])
            if uuid not in tenant.statements:
                tenant.statements[uuid] = statement
                yield statement
        for statement in tenant.statements.values():
            tenant.oracle.fence_at(datetime.fromisoformat(statement["end_time"]))


def fresh_database(template: str) -> str:
    """Clone the template for one example; returns its name."""
    name = f"machine_{uuid4().hex}"
    databases.clone(name, of=template)
    return name


def instant(seconds: int) -> datetime:
    """Return Stripe's writing of an instant as ours."""
    return datetime.fromtimestamp(seconds, tz=UTC)
