"""One history that is written down: every fault of Stripe's and every end of a plan happens in it.

What a random history comes across is chance; this one takes the same rules in a given order, with
the same checks after each.
"""

from inspect import signature
from typing import Any

from tests.machine.driven import BENCHMARKS, TESTBEDS, Where
from tests.machine.machine import LedgerMachine
from tests.machine.oracle import Results
from tests.machine.world import DAY, HOUR, MINUTE
from tests.stripe_sandbox.faults import METER_EVENTS, Fault, Faults

# More in a row than the client tries by itself, so that the caller sees it.
FOR_GOOD = 4
ACME: Where = (0, 0)
ACME_PUBLIC: Where = (0, 1)
GLOBEX: Where = (1, 0)


def results(*benchmarks: str) -> Results:
    """Return an iteration of these benchmarks, each with one measure."""
    return [{benchmark: {"Wall Clock": {"value": 1.5}} for benchmark in benchmarks}]


class Script:
    """The steps; each is one rule, after which everything must agree."""

    def __init__(self, machine: LedgerMachine, **beginning: Any) -> None:
        self.machine = machine
        machine.begin(trial=True, seed=1, share=0.0, **beginning)
        machine.everything_agrees()

    def play(self) -> None:
        """Take all steps, in an order in which each finds what it needs."""
        self.meet_every_fault_of_events()
        self.change_what_was_reported()
        self.lower_the_count_before_the_end()
        self.resume_and_let_end()
        self.return_and_be_canceled_at_once()
        self.subscribe_while_stripe_fails()
        self.lose_a_closing_event()
        self.hear_everything_again()

    def meet_every_fault_of_events(self) -> None:
        """Each fault meets one event until nobody tries again, and the event arrives after all."""
        for number, fault in enumerate(sorted(Fault)):
            once = fault in (Fault.SLOW, Fault.ACCEPTED_AND_LOST)
            self._faults.next(METER_EVENTS, fault, count=1 if once else FOR_GOOD)
            self._report(ACME, f"Shift {number}")
            self._work()
            self._beat("send")
            self._pass(hours=1)

    def change_what_was_reported(self) -> None:
        """Reports come under odd dates and twice; names change; something is deleted."""
        given: dict[str, Any] = {"where": ACME, "testbed": TESTBEDS[1]}
        self._report(ACME, *BENCHMARKS, crash_at=1)
        self._act("report_again", which=0)
        self._act("delete_report", which=0)
        self._act("report_late", ago=6 * MINUTE, results=results("Add One"), **given)
        self._act("report_backdated", ago=15 * DAY, results=results("Add One"), **given)
        self._act("report_postdated", results=results("Add One"), **given)
        self._act("report_at_a_bound", off=0, results=results("Add One"), **given)
        self._act("rename", where=ACME, entity=("benchmarks", "Add One"), number=1)
        self._act("archive", where=ACME, entity=("benchmarks", "Div Two"), archived=True)
        self._act("lose")
        self._act("sweep")

    def lower_the_count_before_the_end(self) -> None:
        """A project is deleted and restored, and made public shortly before the trial ends."""
        self._act("delete_or_restore_project", where=ACME)
        self._act("delete_or_restore_project", where=ACME)
        self._act("go_to_the_next_end", after=-4 * MINUTE)
        self._beat("pre-close")
        self._act("flip", where=ACME, private=False)
        self._act("lose")
        self._act("pass_the_next_end", after=3 * HOUR)
        self._act("flip", where=ACME, private=True)
        self._report(ACME, *BENCHMARKS)
        self._work()
        self._pass(hours=7)
        self._act("flip", where=ACME, private=False)
        self._report(ACME, *BENCHMARKS)
        self._work()
        self._act("flip", where=ACME, private=True)

    def resume_and_let_end(self) -> None:
        """A plan is canceled with its period, resumed, canceled again and ends."""
        self._act("cancel_at_period_end", who=0, cancel=True)
        self._act("cancel_at_period_end", who=0, cancel=False)
        self._fail("POST /v1/subscriptions/*", Fault.TIMEOUT_AFTER)
        self._act("cancel_at_period_end", who=0, cancel=True)
        self._heal()
        self._act("cancel_at_period_end", who=0, cancel=True)
        self._report(ACME, "Div Two")
        self._beat("pre-close")
        self._act("pass_the_next_end", after=3 * HOUR)
        # Nothing can enter what is closed, though no period follows it.
        given: dict[str, Any] = {"where": ACME_PUBLIC, "testbed": TESTBEDS[0]}
        self._act("report_at_a_bound", off=-1, results=results("Add One"), **given)

    def return_and_be_canceled_at_once(self) -> None:
        """The plan is taken up again, used, and ended by staff in the middle of a period."""
        self._act("subscribe", who=0, trial=True, comes_back=True)
        self._report(ACME, "Add One", "Div Two")
        self._work()
        self._pass(hours=25)
        self._act("cancel_now", who=0)
        # Seen from here on is dated to the cut, and leaves what is counted before it.
        self._report(ACME, "Add One", "Mod Three")
        self._work()
        # Stripe performs it and does not say so.
        self._fail("DELETE /v1/subscriptions/*", Fault.TIMEOUT_AFTER)
        self._pass(hours=1)
        self._heal()
        self._pass(hours=1)

    def subscribe_while_stripe_fails(self) -> None:
        """A leader buys again: refused at first, then made without an answer, then at last."""
        for fault in (Fault.SERVER_ERROR, Fault.RESET_AFTER):
            self._fail("POST /v1/checkout/sessions", fault)
            self._act("subscribe", who=0, trial=False, comes_back=True)
            self._heal()
            # Stripe gives a failed call's answer again for a day to the same key.
            self._pass(hours=25)
        self._act("subscribe", who=0, trial=False, comes_back=False)
        self._act("subscribe", who=1, trial=True, comes_back=True)
        self._pass(hours=1)

    def lose_a_closing_event(self) -> None:
        """It is accepted and lost: only asking Stripe shows it, and it goes under another name."""
        self._act(
            "report_around_the_next_end",
            where=GLOBEX,
            before=results("Add One", "Div Two"),
            after=results("Mul Four"),
        )
        self._report(ACME, "Add One", "Mul Four")
        self._work()
        self._act("go_to_the_next_end", after=-4 * MINUTE)
        self._report(ACME, "Div Two")
        self._act("fail_the_next_events", fault=Fault.ACCEPTED_AND_LOST, count=2)
        self._act("pass_the_next_end", after=3 * HOUR)

    def hear_everything_again(self) -> None:
        """Every webhook there ever was comes twice, the last ones first."""
        for which in reversed(range(len(self.machine.sandbox.objects("event")))):
            self.machine.tell(which=which, times=2)
        self._pass(hours=1)

    # How each is taken

    def _act(self, rule: str, **given: Any) -> None:
        """Take a rule, without a crash where it is not said, and check everything."""
        act = getattr(self.machine, rule)
        if "crash_at" in signature(act).parameters:
            given.setdefault("crash_at", 0)
        act(**given)
        self.machine.everything_agrees()

    def _report(self, where: Where, *benchmarks: str, crash_at: int = 0) -> None:
        given: dict[str, Any] = {"testbed": TESTBEDS[0], "branch": "main", "crash_at": crash_at}
        self._act("report", where=where, results=results(*benchmarks), **given)

    def _work(self) -> None:
        """Let a worker do what was enqueued, and the sender what that left to be sent."""
        self._act("work")
        self._beat("send")

    def _beat(self, name: str) -> None:
        self._act("beat", name=name)

    def _pass(self, *, hours: int) -> None:
        self._act("let_hours_pass", by=hours * HOUR)

    @property
    def _faults(self) -> Faults:
        return self.machine.sandbox.faults

    def _fail(self, call: str, fault: Fault) -> None:
        """Let a call fail until it heals: whoever makes it may be told so."""
        self.machine._world.is_failing = True
        self._faults.next(call, fault, count=FOR_GOOD)

    def _heal(self) -> None:
        self._act("fail", seed=0, share=0.0)
