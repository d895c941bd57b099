"""Any history, with crashes anywhere and a Stripe that fails: all figures agree."""

import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings
from hypothesis.stateful import run_state_machine_as_test
from pytest_django import DjangoDbBlocker

from tests.machine.crashes import CrashPoints
from tests.machine.machine import LedgerMachine
from tests.machine.scripted import Script
from tests.stripe_sandbox import Sandbox
from tests.stripe_sandbox.faults import Fault
from tests.stripe_sandbox.server import listen

pytestmark = pytest.mark.slow

# examples, steps, and how many different points must have been crashed at.
SIZES = {"fast": (10, 50, 65), "full": (200, 100, 80)}
# What must have happened, lest a run agree because nothing could disagree: in any run of ten, and
# what a long one must come across too. All of it happens in the written history.
OFTEN = {
    "enqueued task done",
    "paid period closed",
    "project deleted",
    "report accepted",
    "report around an end",
    "report at a bound",
    "report dated before the fence",
    "report repeated",
    "report sent by two processes",
    "statement with series",
    "trial period closed",
    "call that failed",
    "plan taken up again",
}
SELDOM = {
    "entity renamed",
    "project made public",
    "statement with series not billed",
    "enqueued task lost",
    "entity archived",
    "late change told",
    "posted value fell",
    "project restored",
    "report dated ahead",
    "report deleted",
}
# What comes of Stripe's faults and of ended plans.
WRITTEN = {f"call met {fault}" for fault in Fault} | {
    "closing event sent again",
    "draft moved out",
    "event that Stripe had already",
    "plan canceled",
    "plan resumed",
    "plan taken up again",
    "statement of a plan canceled at once",
    "statement of a plan that ended",
    "webhook told",
}

START = datetime(2028, 1, 27, 23, 59, 30, tzinfo=UTC)
# Stripe as far from convenient as its words allow; it drafts its invoices, though, so all wait.
STRIPE: dict[str, Any] = {
    "last_by": "receipt",
    "aggregation_lag_seconds": 600,
    "drafts_refreshed": "finalization",
    "final_invoice": "draft",
}


def serving(base: str) -> Callable[[], AbstractContextManager[Sandbox]]:
    """Return a function that serves a fresh sandbox at Stripe's address."""

    @contextmanager
    def serve() -> Iterator[Sandbox]:
        host, _, port = base.removeprefix("http://").partition(":")
        sandbox = Sandbox()
        with listen(sandbox, host=host, port=int(port)) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
            thread.start()
            yield sandbox
            server.shutdown()
            thread.join()

    return serve


def test_everything_agrees_after_every_step(
    template_database: str, django_db_blocker: DjangoDbBlocker, settings: Any
) -> None:
    examples, steps, least = SIZES["full" if _is_full() else "fast"]
    machine = _machine(template_database, settings)
    with django_db_blocker.unblock():
        run_state_machine_as_test(machine, settings=_settings(examples, steps))

    _tell(machine)
    wanted = OFTEN | SELDOM | WRITTEN if _is_full() else OFTEN
    assert wanted - set(+machine.happened) == set()
    assert len(machine.crashes.hit) >= least


def test_everything_agrees_in_a_written_history(
    template_database: str, django_db_blocker: DjangoDbBlocker, settings: Any
) -> None:
    machine = _machine(template_database, settings)
    with django_db_blocker.unblock():
        history = machine()
        try:
            Script(history, start=START, switches=STRIPE).play()
        finally:
            history.teardown()

    _tell(machine)
    assert (OFTEN | SELDOM | WRITTEN) - set(+machine.happened) == set()


def _machine(template: str, settings: Any) -> type[LedgerMachine]:
    settings.PRO_TRIAL_DAYS = 3
    return type(
        "Machine",
        (LedgerMachine,),
        {
            "template": template,
            "crashes": CrashPoints(),
            "happened": Counter[str](),
            "serve": staticmethod(serving(settings.STRIPE_API_BASE)),
        },
    )


def _tell(machine: type[LedgerMachine]) -> None:
    hit, passed = machine.crashes.hit, +machine.crashes.passed
    sys.stdout.write(f"\n{len(hit)} of {len(passed)} points were crashed at:\n")
    for place, times in sorted(hit.items()):
        sys.stdout.write(f"  {times:4} x {place}\n")
    sys.stdout.write("What happened:\n")
    for what, times in sorted(machine.happened.items()):
        sys.stdout.write(f"  {times:4} x {what}\n")


def _is_full() -> bool:
    return hypothesis_settings.get_current_profile_name() == "full"


def _settings(examples: int, steps: int) -> hypothesis_settings:
    return hypothesis_settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        # Shrinking takes longer than the whole run: for those who look into a failure.
        phases=[Phase.generate, *([Phase.shrink] if _is_full() else [])],
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
