"""Time that passes: nights, and the ends of periods, with what beat would enqueue meanwhile.

Beat runs too, by real time. Moved time must be fair: Stripe gives an hour after a period's end
before its invoice is final, so time stays within that hour until the closing was seen at Stripe.
"""

import os
import random
import signal
import sys
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
from kombu.exceptions import OperationalError
from redis import Redis

from bencher.celery import app
from tests.chaos import scene
from tests.chaos.journal import Journal
from tests.chaos.scene import Moment, Scene
from tests.chaos.stripe_account import StripeAccount, until

SWEEP_HOUR = 3
MINUTE = 60
PRE_CLOSE_LEAD = 4 * MINUTE
CLOSE_DELAY = 10 * MINUTE
# Stripe's drafts become final an hour after the period's end.
FAIR_UNTIL = 50 * MINUTE
# A worker that has just been started, on a machine that does other things, is given so long.
_WORKER_PATIENCE_SECONDS = 120
_NIGHT = ("nightly_sweep", "nightly_days", "send_notices")
_MINUTELY = ("sync_plans", "pre_close", "close_periods", "send_meter_events", "verify_closings")

_MOVE = """
INSERT INTO bencher_clockoffset (id, ahead) VALUES (1, make_interval(secs => %s))
ON CONFLICT (id) DO UPDATE SET ahead = excluded.ahead
"""
_DONE = """
SELECT count(*) FROM billing_billingperiod period
JOIN billing_verification seen ON seen.period_id = period.id
WHERE period.ends_at = ANY(%s) AND seen.done_at IS NOT NULL
"""
_FINAL_AT = "SELECT max(finalizes_at) FROM billing_verification WHERE done_at IS NOT NULL"


@dataclass
class Timekeeper:
    """Moves time until it is told to stop."""

    scene: Scene
    stopping: threading.Event
    journal: Journal = field(init=False)
    stripe: StripeAccount = field(init=False)
    dice: random.Random = field(init=False)
    bounds: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.journal = Journal(self.scene.directory / "time.jsonl")
        self.stripe = StripeAccount(self.scene.stripe, self.scene.stripe_key)
        self.dice = random.Random(f"{self.scene.seed} time")

    def run(self) -> None:
        """Let a few nights pass, then a period end, and so on."""
        while not self.stopping.is_set():
            ends = self._ends()
            for _ in range(self.dice.randint(1, 3)):
                self._pass_a_night(before=min(ends.values()) - 2 * PRE_CLOSE_LEAD)
            if not self.stopping.is_set():
                self._end_periods(ends)
        self._see_worker()

    def _see_worker(self) -> None:
        """See that the worker still takes tasks, which nobody has started again for that."""
        waiting = f"chaos:{uuid4()}"
        app.send_task("billing.tasks.pre_close", kwargs={"waiting": waiting})
        patience = _WORKER_PATIENCE_SECONDS
        with Redis.from_url(os.environ["REDIS_URL"], socket_timeout=patience + 5) as redis:
            if redis.blpop([waiting], timeout=patience) is None:
                raise RuntimeError("The worker runs and takes no tasks any more.")

    def _ends(self) -> dict[str, int]:
        """Return when the present period of each customer ends, as Stripe has it."""
        return {
            subscription["customer"]: subscription["items"]["data"][0]["current_period_end"]
            for subscription in self.stripe.list("subscriptions", status="all")
        }

    def _pass_a_night(self, *, before: int) -> None:
        now = datetime.fromtimestamp(self.stripe.clock()["now"], UTC)
        night = now.replace(hour=SWEEP_HOUR, minute=0, second=0, microsecond=0)
        night += timedelta(days=self.dice.randint(1, 9))
        if night.timestamp() < before and not self.stopping.is_set():
            self._move_to(int(night.timestamp()) + 1)
            self._ask(_NIGHT)
            self._work(self.dice.uniform(0.5, 3))

    def _end_periods(self, ends: dict[str, int]) -> None:
        self._move_to(min(ends.values()) - PRE_CLOSE_LEAD)
        self._ask(_MINUTELY)
        self._work(self.dice.uniform(0, 2))
        self._move_to(max(ends.values()) + 1, bounds=self._of_organizations(ends))
        self._work(self.dice.uniform(1, 4))
        # What is counted as private must not change while it is unknown when it is counted.
        with scene.visibility_lock(self.scene.directory, give_up=self.stopping.is_set) as is_held:
            if is_held:
                self._close(ends)

    def _close(self, ends: dict[str, int]) -> None:
        self._note("closable", ends)
        end = max(ends.values())
        self._move_to(end + CLOSE_DELAY + MINUTE)
        while not self._is_closed(ends):
            if self.stopping.is_set():
                return
            self._ask(_MINUTELY)
            self._work(1)
            now = self.stripe.clock()["now"]
            if now + MINUTE < end + FAIR_UNTIL:
                self._move_to(now + MINUTE)
        self._note("closed", ends)
        final_at = self._sql(_FINAL_AT)
        if final_at is not None:
            self._move_to(max(int(final_at.timestamp()) + 5, self.stripe.clock()["now"]))
        self._ask(_MINUTELY)

    def _note(self, kind: str, ends: dict[str, int]) -> None:
        for organization, end in self._of_organizations(ends).items():
            self.journal.write(kind, organization=organization, end=end)

    def _of_organizations(self, ends: dict[str, int]) -> dict[str, int]:
        return {one.slug: ends[one.customer] for one in self.scene.organizations}

    def _is_closed(self, ends: dict[str, int]) -> bool:
        bounds = [datetime.fromtimestamp(end, UTC) for end in ends.values()]
        return bool(self._sql(_DONE, [bounds]) == len(ends))

    def _move_to(self, instant: int, *, bounds: dict[str, int] | None = None) -> None:
        """Move Stripe's clock, then ours, then CI's, so that no event is from Stripe's future."""
        self.bounds = bounds or self.bounds
        self.stripe.move_to(instant)
        ahead = self.stripe.clock()["offset"]
        self._sql(_MOVE, [ahead])
        Moment(ahead=ahead, bounds=self.bounds).save(self.scene.directory)
        self.journal.write("moved", to=f"{datetime.fromtimestamp(instant, UTC):%F %T}")

    def _work(self, seconds: float) -> None:
        self.stopping.wait(seconds)

    def _ask(self, tasks: tuple[str, ...]) -> None:
        """Enqueue what beat would; where Redis is down it is lost, as beat's would be."""
        for task in tasks:
            try:
                app.send_task(f"billing.tasks.{task}", expires=30)
            except OperationalError as error:
                self.journal.write("not enqueued", task=task, why=repr(error))

    def _sql(self, statement: str, values: list[Any] | None = None) -> Any:
        return until(lambda: self._tried(statement, values), "the database")[0]

    def _tried(self, statement: str, values: list[Any] | None) -> tuple[Any] | None:
        """Return the first value, wrapped; None where the database can't be asked."""
        try:
            with psycopg.connect(self.scene.database_url, autocommit=True) as connection:
                cursor = connection.execute(statement, values)
                return (cursor.fetchone() if cursor.description else None) or (None,)
        except psycopg.OperationalError:
            return None


def main() -> None:
    """Move time until SIGTERM."""
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    told = scene.load(Path(sys.argv[1]))
    Timekeeper(told, stopping).run()


if __name__ == "__main__":
    main()
