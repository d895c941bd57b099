"""The rules: everything that can happen, in any order, with a crash at any point of it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from bencher import clock
from billing import tasks
from tests import databases
from tests.machine import invariants
from tests.machine.crashes import CrashPoints
from tests.machine.world import CLOSED_BY, HOUR, MINUTE, SECOND, Tenant, World, fresh_database
from tests.stripe_sandbox import Sandbox

TRIAL_DAYS = 3
# The trial ends three days later: on the 28th to the 31st, in a leap year and in others.
STARTS = st.sampled_from(
    [
        datetime(2027, 1, 28, 9, 30, tzinfo=UTC),
        datetime(2028, 1, 27, 23, 59, 30, tzinfo=UTC),
        datetime(2028, 2, 26, 12, 0, tzinfo=UTC),
        datetime(2027, 2, 25, 0, 0, 15, tzinfo=UTC),
        datetime(2027, 12, 27, 23, 0, tzinfo=UTC),
        datetime(2027, 8, 28, 6, 45, 59, tzinfo=UTC),
    ]
)
# Neither is also the slug of itself, so a name that is free again makes something new.
TESTBEDS = st.sampled_from(["Linux X64", "Mac Arm"])
BENCHMARKS = st.sampled_from(["Add One", "Div Two", "Mod Three", "Mul Four"])
MEASURES = st.sampled_from(["Alloc Bytes", "Wall Clock"])
RESULTS = st.lists(
    st.dictionaries(
        BENCHMARKS,
        st.dictionaries(MEASURES, st.just({"value": 1.5}), min_size=1, max_size=2),
        min_size=1,
        max_size=4,
    ),
    min_size=1,
    max_size=2,
)
AGO = st.sampled_from(
    [
        timedelta(0),
        timedelta(0),
        SECOND,
        10 * MINUTE,
        HOUR,
        timedelta(days=2),
        timedelta(days=33),
        timedelta(days=70),
        # Postdated by less than is refused.
        -2 * MINUTE,
    ]
)
# At which point to die, where nothing has died at an earlier one for the first time.
CRASH_AT = st.sampled_from([0, 30, 1, 2, 3, 5, 8, 13, 21, 0])
WHO = st.integers(0, 1)
WHICH = st.integers(0, 1)

BEAT: dict[str, Callable[[], Any]] = {
    "sweep": tasks.nightly_sweep.run,
    "pre-close": tasks.pre_close.run,
    "close": tasks.close_periods.run,
    "send": tasks.send_meter_events.run,
    "verify": tasks.verify_closings.run,
    "sync": tasks.sync_plans.run,
}


class LedgerMachine(RuleBasedStateMachine):
    """One history of two organizations."""

    template = ""
    crashes = CrashPoints()
    serve: Callable[[], Any]

    def __init__(self) -> None:
        super().__init__()
        self._name = fresh_database(self.template)
        self._database = databases.using(self._name)
        self._database.__enter__()
        self._server = type(self).serve()
        self.sandbox: Sandbox = self._server.__enter__()
        self.world: World | None = None

    @initialize(start=STARTS, trial=st.booleans())
    def begin(self, start: datetime, trial: bool) -> None:
        """Found the organizations; the first one has a plan from the beginning."""
        self.world = World(self.sandbox, self.crashes, start=start)
        self.subscribe(0, trial, 0)

    def teardown(self) -> None:
        """End it as it would go on: everything is closed, sent and invoiced, and agrees."""
        try:
            if self.world is not None:
                self._settle()
        finally:
            if self.world is not None:
                self.world.close()
            self._server.__exit__(None, None, None)
            self._database.__exit__(None, None, None)
            databases.drop(self._name)

    def _settle(self) -> None:
        deadline = self._world.next_deadline()
        if deadline is not None:
            self.tick(deadline - clock.now() + timedelta(hours=3), 0)
            invariants.check(self._world)

    @property
    def _world(self) -> World:
        assert self.world is not None
        return self.world

    def _tenant(self, who: int) -> Tenant:
        return self._world.tenants[who]

    # CI

    @rule(
        who=WHO,
        which=WHICH,
        testbed=TESTBEDS,
        results=RESULTS,
        ago=AGO,
        crash_at=CRASH_AT,
        branch=st.sampled_from(["main", "feature/x"]),
    )
    def report(
        self,
        who: int,
        which: int,
        testbed: str,
        branch: str,
        results: Any,
        ago: timedelta,
        crash_at: int,
    ) -> None:
        """CI reports: now, late, backdated or postdated; several iterations; any branch."""
        tenant = self._tenant(who)
        self._world.report(
            tenant,
            tenant.projects[which % len(tenant.projects)],
            testbed=testbed,
            branch=branch,
            results=results,
            ago=ago,
            crash_at=crash_at,
        )

    @rule(which=st.integers(0, 50))
    def report_again(self, which: int) -> None:
        """CI repeats a report with its key, and is given the first one."""
        if not self._world.reports:
            return
        sent = self._world.reports[which % len(self._world.reports)]
        known = sent.tenant.oracle.projects[sent.project.slug]
        response = self._world.post(sent)
        if known.deleted:
            assert response.status_code == 404
        elif sent.is_deleted:
            assert response.status_code in (402, 409), response.content
        elif response.status_code != 402:
            assert (response.status_code, response.json()["uuid"]) == (201, sent.uuid)

    @rule(which=st.integers(0, 50))
    def delete_report(self, which: int) -> None:
        """Somebody deletes a report: nothing that is billed changes."""
        if self._world.reports:
            sent = self._world.reports[which % len(self._world.reports)]
            response = sent.tenant.api.delete(
                f"/v0/projects/{sent.project.uuid}/reports/{sent.uuid}"
            )
            sent.is_deleted |= response.status_code == 204

    # People

    @rule(who=WHO, which=WHICH, private=st.booleans())
    def flip(self, who: int, which: int, private: bool) -> None:
        """Somebody makes a project public or private."""
        tenant = self._tenant(who)
        project = tenant.projects[which % len(tenant.projects)]
        self._world.set_visibility(tenant, project, private=private)

    @rule(who=WHO, which=WHICH)
    def delete_project(self, who: int, which: int) -> None:
        """Somebody deletes a project."""
        tenant = self._tenant(who)
        self._world.delete_project(tenant, tenant.projects[which % len(tenant.projects)])

    @rule(who=WHO, which=WHICH)
    def restore_project(self, who: int, which: int) -> None:
        """Staff restore a project."""
        tenant = self._tenant(who)
        self._world.restore_project(tenant, tenant.projects[which % len(tenant.projects)])

    @rule(
        who=WHO,
        which=WHICH,
        archived=st.booleans(),
        number=st.integers(1, 10**6),
        name=st.one_of(
            st.tuples(st.just("testbeds"), TESTBEDS),
            st.tuples(st.just("benchmarks"), BENCHMARKS),
            st.tuples(st.just("measures"), MEASURES),
        ),
    )
    def curate(
        self, who: int, which: int, name: tuple[str, str], archived: bool, number: int
    ) -> None:
        """Somebody renames a testbed, benchmark or measure, or archives it."""
        tenant = self._tenant(who)
        kind, old = name
        change = {"archived": True} if archived else {"name": f"Renamed {number}"}
        project = tenant.projects[which % len(tenant.projects)]
        if f"Renamed {number}" not in tenant.oracle.projects[project.slug].names[kind]:
            self._world.curate(tenant, project, kind, old, change)

    @rule(who=WHO, trial=st.booleans(), crash_at=CRASH_AT)
    def subscribe(self, who: int, trial: bool, crash_at: int) -> None:
        """A leader subscribes; a plan that starts mid-life counts from its period's start."""
        tenant = self._tenant(who)
        if not self._world.subscriptions(tenant):
            self._world.subscribe(
                tenant, trial_days=TRIAL_DAYS if trial else None, crash_at=crash_at
            )

    # Workers, beat and time

    @rule(name=st.sampled_from(sorted(BEAT)), crash_at=CRASH_AT)
    def beat(self, name: str, crash_at: int) -> None:
        """Beat runs something, early or late or twice."""
        self.crashes.attempt(BEAT[name], crash_at=crash_at)

    @rule(crash_at=CRASH_AT)
    def work(self, crash_at: int) -> None:
        """A worker does everything that was enqueued."""
        while self._world.queue:
            task, arguments = self._world.queue.pop(0)
            self.crashes.attempt(lambda: task(**arguments), crash_at=crash_at)  # noqa: B023

    @rule()
    def lose(self) -> None:
        """The broker loses everything that was enqueued."""
        self._world.queue.clear()

    @rule(
        by=st.sampled_from(
            [
                MINUTE,
                HOUR,
                timedelta(hours=7),
                timedelta(days=1),
                timedelta(days=3),
                timedelta(days=12),
                timedelta(days=29),
            ]
        ),
        crash_at=CRASH_AT,
    )
    def tick(self, by: timedelta, crash_at: int) -> None:
        """Time passes. What ends on the way is closed after the delay; all else may be missed."""
        to = clock.now() + by
        while (deadline := self._world.next_deadline()) and deadline + CLOSED_BY <= to:
            self._world.move(deadline + CLOSED_BY)
            self._world.minute_timers(crash_at)
            assert self._world.next_deadline() != deadline
        self._world.move(to)
        self._world.minute_timers(crash_at)

    @rule(after=st.sampled_from([-4 * MINUTE, -90 * SECOND, SECOND, 5 * MINUTE]))
    def go_to_the_next_end(self, after: timedelta) -> None:
        """Time passes until just before or after the next end of a period."""
        deadline = self._world.next_deadline()
        if deadline is not None and clock.now() < deadline + after:
            self._world.move(deadline + after)

    @invariant()
    def everything_agrees(self) -> None:
        """Check what must hold after every step."""
        if self.world is not None:
            invariants.check(self.world)
