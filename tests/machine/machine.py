"""The rules: everything that can happen, in any order, with a crash at any point of it."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from bencher import clock
from billing import tasks
from billing.models import BillingPeriod
from tests import databases
from tests.machine import invariants
from tests.machine.ci import MICROSECOND, ONE, Reporting
from tests.machine.crashes import CrashPoints
from tests.machine.driven import CRASH_AT, TESTBEDS, WHERE, Where
from tests.machine.oracle import Results
from tests.machine.people import Curating
from tests.machine.selling import WHO, Selling
from tests.machine.stripe_faults import SEEDS, SHARES, SWITCHES, Failing
from tests.machine.world import CLOSED_BY, HOUR, MINUTE, SECOND, World, fresh_database
from tests.stripe_sandbox import Sandbox

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
# The project of each that is private from the beginning.
OWN = st.sampled_from([(0, 0), (0, 0), (1, 0)])
BEAT: dict[str, Callable[[], Any]] = {
    "notices": tasks.send_notices.run,
    "pre-close": tasks.pre_close.run,
    "close": tasks.close_periods.run,
    "reconcile": tasks.nightly_reconcile.run,
    "send": tasks.send_meter_events.run,
    "verify": tasks.verify_closings.run,
    "sync": tasks.sync_plans.run,
}


class LedgerMachine(Reporting, Curating, Selling, Failing):
    """One history of two organizations."""

    template = ""
    crashes = CrashPoints()
    happened: Counter[str] = Counter()
    serve: Callable[[], Any]

    def __init__(self) -> None:
        super().__init__()
        self._name = fresh_database(self.template)
        self._database = databases.using(self._name)
        self._database.__enter__()
        self._server = type(self).serve()
        self.sandbox: Sandbox = self._server.__enter__()

    @initialize(start=STARTS, trial=st.booleans(), switches=SWITCHES, seed=SEEDS, share=SHARES)
    def begin(
        self, start: datetime, trial: bool, switches: dict[str, Any], seed: int, share: float
    ) -> None:
        """Found the organizations; the first one has a plan, before Stripe begins to fail."""
        for name, value in switches.items():
            setattr(self.sandbox.switches, name, value)
        self.world = World(self.sandbox, self.crashes, start=start)
        self.world.happened = self.happened
        self.subscribe(0, trial, True, 0)
        self.fail(seed, share)

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
        world = self._world
        world.heal()
        world.finish(0)
        latest = max(BillingPeriod.objects.values_list("ends_at", flat=True), default=None)
        if latest is not None:
            self.tick(max(latest - clock.now(), timedelta(0)) + 3 * HOUR, 0)
        # Drafts that were moved out are final by then.
        self.tick(timedelta(days=1, hours=2), 0)
        invariants.check(world)
        invariants.check_the_end(world)
        self.happened.update(world.reached())

    @rule(who=WHO, at_once=st.booleans(), results=ONE, trial=st.booleans(), crash_at=CRASH_AT)
    def leave_and_return(
        self, who: int, at_once: bool, results: Results, trial: bool, crash_at: int
    ) -> None:
        """A plan is used to its end, whichever way it ends, and taken up again later."""
        self._report((who, 0), TESTBEDS[0], results, crash_at=0)
        if at_once:
            self.cancel_now(who, crash_at)
        else:
            self.cancel_at_period_end(who, True, crash_at)
        # What comes before the minute at which a period is cut lies exactly on its end.
        self._report((who, 0), TESTBEDS[0], results, crash_at=0)
        invariants.check(self._world)
        if at_once:
            self.tick(CLOSED_BY, crash_at)
            self._world.finish(0)
        else:
            self.pass_the_next_end(3 * HOUR, crash_at)
        self.subscribe(who, trial, True, crash_at)
        self._report((who, 0), TESTBEDS[0], results, crash_at=0)

    # Workers, beat and time

    @rule(crash_at=CRASH_AT)
    def sweep(self, crash_at: int) -> None:
        """Beat runs the nightly sweep, which must do without any hint."""
        self._world.attempt(tasks.nightly_sweep.run, crash_at=crash_at)

    @rule(name=st.sampled_from(sorted(BEAT)), crash_at=CRASH_AT)
    def beat(self, name: str, crash_at: int) -> None:
        """Beat runs something, early or late or twice."""
        self._world.attempt(BEAT[name], crash_at=crash_at)

    @rule(crash_at=CRASH_AT)
    def work(self, crash_at: int) -> None:
        """A worker does everything that was enqueued."""
        self._work(crash_at)

    @rule(
        where=WHERE,
        testbed=st.sampled_from(TESTBEDS),
        results=ONE,
        private=st.booleans(),
        crash_at=CRASH_AT,
    )
    def report_post_and_flip(
        self, where: Where, testbed: str, results: Results, private: bool, crash_at: int
    ) -> None:
        """All goes as it does on most days, and then somebody flips the project."""
        self._report(where, testbed, results, crash_at=0)
        self._work(crash_at)
        tenant, project, _ = self._place(where)
        self._world.set_visibility(tenant, project, private=private, crash_at=crash_at)

    def _work(self, crash_at: int) -> None:
        while self._world.queue:
            task, arguments = self._world.queue.pop(0)
            self.happened["enqueued task done"] += 1
            self._world.attempt(lambda: task(**arguments), crash_at=crash_at)  # noqa: B023

    @rule()
    def lose(self) -> None:
        """The broker loses everything that was enqueued."""
        self.happened["enqueued task lost"] += len(self._world.queue)
        self._world.queue.clear()

    @rule(by=st.sampled_from([MINUTE, HOUR, 7 * HOUR, 25 * HOUR]), crash_at=CRASH_AT)
    def let_hours_pass(self, by: timedelta, crash_at: int) -> None:
        """A while passes."""
        self.tick(by, crash_at)

    @rule(days=st.sampled_from([3, 12, 29]), crash_at=CRASH_AT)
    def let_days_pass(self, days: int, crash_at: int) -> None:
        """Much time passes."""
        self.tick(timedelta(days=days), crash_at)

    @rule(after=st.sampled_from([12 * MINUTE, 3 * HOUR]), crash_at=CRASH_AT)
    def pass_the_next_end(self, after: timedelta, crash_at: int) -> None:
        """Time passes until the next period is closed, or invoiced too."""
        deadline = self._world.next_deadline()
        if deadline is not None:
            self.tick(max(deadline + after - clock.now(), timedelta(0)), crash_at)

    def tick(self, by: timedelta, crash_at: int) -> None:
        """Time passes. What ends on the way is closed after the delay; all else may be missed."""
        to = clock.now() + by
        while (deadline := self._world.next_deadline()) and deadline + CLOSED_BY <= to:
            self._world.move(deadline + CLOSED_BY)
            self._world.finish(crash_at)
            assert self._world.next_deadline() != deadline
        self._world.move(to)
        self._world.minute_timers(crash_at)

    @rule(after=st.sampled_from([-4 * MINUTE, -90 * SECOND, -SECOND, SECOND, 5 * MINUTE]))
    def go_to_the_next_end(self, after: timedelta) -> None:
        """Time passes until just before or after the next end of a period."""
        deadline = self._world.next_deadline()
        if deadline is not None and clock.now() < deadline + after:
            self._world.move(deadline + after)

    @rule(where=OWN, before=ONE, after=ONE, crash_at=CRASH_AT)
    def report_around_the_next_end(
        self, where: Where, before: Results, after: Results, crash_at: int
    ) -> None:
        """CI reports the last instant of a period and the first of the next; then it is closed."""
        ends_at = self._world.next_deadline()
        if ends_at is None:
            return
        self.go_to_the_next_end(SECOND)
        self._report(where, TESTBEDS[0], before, end_time=ends_at - MICROSECOND, crash_at=0)
        self._report(where, TESTBEDS[0], after, end_time=ends_at, crash_at=0)
        self._world.happened["report around an end"] += 1
        self.tick(CLOSED_BY, crash_at)

    @invariant()
    def everything_agrees(self) -> None:
        """Check what must hold after every step."""
        if self.world is not None:
            invariants.check(self.world)
