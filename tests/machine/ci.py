"""What CI does: it reports, at all times, under all dates, and again."""

from datetime import datetime, timedelta

from hypothesis import strategies as st
from hypothesis.stateful import rule

from bencher import clock
from tests.machine.driven import BENCHMARKS, CRASH_AT, MEASURES, TESTBEDS, WHERE, Driven, Where
from tests.machine.oracle import Results
from tests.machine.world import HOUR, MINUTE, SECOND, SentReport

ITERATION = st.dictionaries(
    st.sampled_from(BENCHMARKS),
    st.dictionaries(st.sampled_from(MEASURES), st.just({"value": 1.5}), min_size=1, max_size=2),
    min_size=1,
    max_size=4,
)
ONE = st.lists(ITERATION, min_size=1, max_size=1)
SEVERAL = st.lists(ITERATION, min_size=2, max_size=3)
TESTBED = st.sampled_from(TESTBEDS)
BRANCH = st.sampled_from(["main", "feature/x", "feature/y"])
# Before now: past a bound in its minutes, past the fence, or not.
LATE = st.sampled_from([SECOND, MINUTE, 6 * MINUTE, HOUR])
BACKDATED = st.sampled_from([timedelta(days=days) for days in (1, 2, 15, 33, 70)])
MICROSECOND = timedelta(microseconds=1)
WHICH_REPORT = st.integers(0, 50)


class Reporting(Driven):
    """Reports, repeated and deleted ones too."""

    @rule(where=WHERE, testbed=TESTBED, results=ONE, branch=BRANCH, crash_at=CRASH_AT)
    def report(
        self, where: Where, testbed: str, results: Results, branch: str, crash_at: int
    ) -> None:
        """CI reports what it has just measured, on any branch."""
        self._report(where, testbed, results, branch=branch, crash_at=crash_at)

    @rule(where=WHERE, testbed=TESTBED, results=SEVERAL, crash_at=CRASH_AT)
    def report_iterations(
        self, where: Where, testbed: str, results: Results, crash_at: int
    ) -> None:
        """CI reports several iterations in one."""
        self._report(where, testbed, results, crash_at=crash_at)

    @rule(where=WHERE, testbed=TESTBED, results=ONE, ago=LATE, crash_at=CRASH_AT)
    def report_late(
        self, where: Where, testbed: str, results: Results, ago: timedelta, crash_at: int
    ) -> None:
        """CI reports something that ended a while ago, in an earlier period perhaps."""
        self._report(where, testbed, results, ago=ago, crash_at=crash_at)

    @rule(where=WHERE, testbed=TESTBED, results=ONE, ago=BACKDATED, crash_at=CRASH_AT)
    def report_backdated(
        self, where: Where, testbed: str, results: Results, ago: timedelta, crash_at: int
    ) -> None:
        """CI backdates a report, to before or after the fence."""
        self._report(where, testbed, results, ago=ago, crash_at=crash_at)

    @rule(
        where=WHERE,
        testbed=TESTBED,
        results=ONE,
        off=st.sampled_from([0, 0, -1, 1]),
        crash_at=CRASH_AT,
    )
    def report_at_a_bound(
        self, where: Where, testbed: str, results: Results, off: int, crash_at: int
    ) -> None:
        """CI reports at a bound of a period, or a microsecond before or after it."""
        bound = self._world.last_bound(self._place(where)[0])
        if bound is not None:
            end_time = bound + off * MICROSECOND
            self._report(where, testbed, results, end_time=end_time, crash_at=crash_at)
            self._world.happened["report at a bound"] += 1

    @rule(where=WHERE, testbed=TESTBED, results=ONE, crash_at=CRASH_AT)
    def report_postdated(self, where: Where, testbed: str, results: Results, crash_at: int) -> None:
        """A clock of CI's is ahead, by less than is refused."""
        self._report(where, testbed, results, ago=-2 * MINUTE, crash_at=crash_at)

    def _report(
        self,
        where: Where,
        testbed: str,
        results: Results,
        *,
        branch: str = "main",
        ago: timedelta = timedelta(0),
        end_time: datetime | None = None,
        crash_at: int,
    ) -> None:
        tenant, project, _ = self._place(where)
        self._world.report(
            tenant,
            project,
            testbed=testbed,
            branch=branch,
            results=results,
            end_time=end_time or clock.now() - ago,
            crash_at=crash_at,
        )

    @rule(which=WHICH_REPORT)
    def report_again(self, which: int) -> None:
        """CI repeats a report with its key, and is given the first one."""
        sent = self._sent(which)
        if sent is None:
            return
        known = sent.tenant.oracle.projects[sent.project.slug]
        response = self._world.post(sent)
        if known.deleted:
            assert response.status_code == 404
        elif sent.is_deleted:
            assert response.status_code in (402, 409), response.content
        elif response.status_code != 402:
            assert (response.status_code, response.json()["uuid"]) == (201, sent.uuid)
            self._world.happened["report repeated"] += 1

    @rule(which=WHICH_REPORT, crash_at=CRASH_AT)
    def delete_report(self, which: int, crash_at: int) -> None:
        """Somebody deletes a report: nothing that is billed changes."""
        sent = self._sent(which)
        if sent is not None:
            self._world.delete_report(sent, crash_at=crash_at)

    def _sent(self, which: int) -> SentReport | None:
        reports = self._world.reports
        return reports[which % len(reports)] if reports else None
