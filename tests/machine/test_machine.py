"""Any history, with crashes at any commit and any call to Stripe: all figures agree."""

import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings
from hypothesis.stateful import run_state_machine_as_test
from pytest_django import DjangoDbBlocker

from tests.machine.crashes import CrashPoints
from tests.machine.machine import LedgerMachine
from tests.stripe_sandbox import Sandbox
from tests.stripe_sandbox.server import listen

pytestmark = pytest.mark.slow

# examples, steps, and how many different points must have been crashed at.
SIZES = {"fast": (10, 50, 45), "full": (200, 100, 60)}
# What must have happened, lest a run agree because nothing could disagree: in any run of ten, and
# what a long one must come across too.
OFTEN = {
    "enqueued task done",
    "entity renamed",
    "paid period closed",
    "project deleted",
    "project made public",
    "report accepted",
    "report around an end",
    "report at a bound",
    "report dated before the fence",
    "report repeated",
    "report sent by two processes",
    "statement with series",
    "statement with series not billed",
    "trial period closed",
}
SELDOM = {
    "enqueued task lost",
    "entity archived",
    "late change told",
    "posted value fell",
    "project restored",
    "report dated ahead",
    "report deleted",
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
    settings.PRO_TRIAL_DAYS = 3
    crashes, happened = CrashPoints(), Counter[str]()
    machine = type(
        "Machine",
        (LedgerMachine,),
        {
            "template": template_database,
            "crashes": crashes,
            "happened": happened,
            "serve": staticmethod(serving(settings.STRIPE_API_BASE)),
        },
    )
    with django_db_blocker.unblock():
        run_state_machine_as_test(machine, settings=_settings(examples, steps))

    sys.stdout.write(f"\n{len(crashes.hit)} of {len(+crashes.passed)} points were crashed at:\n")
    for place, times in sorted(crashes.hit.items()):
        sys.stdout.write(f"  {times:4} x {place}\n")
    sys.stdout.write("What happened:\n")
    for what, times in sorted(happened.items()):
        sys.stdout.write(f"  {times:4} x {what}\n")
    assert (OFTEN | SELDOM if _is_full() else OFTEN) - set(+happened) == set()
    assert len(crashes.hit) >= least


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
