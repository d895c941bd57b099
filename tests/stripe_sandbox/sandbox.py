"""The sandbox as a whole: one state, one lock, one clock, one courier."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.stripe_sandbox import schedule, state, webhooks
from tests.stripe_sandbox.clock import Clock
from tests.stripe_sandbox.errors import ApiError
from tests.stripe_sandbox.faults import Faults
from tests.stripe_sandbox.log import Delivered, Log, Recorded
from tests.stripe_sandbox.state import Json, State
from tests.stripe_sandbox.world import Switches, World

# How long an advance waits in total for the receivers of webhooks.
PATIENCE = 120.0
# Writing the state down is cheap up to so many seconds; above, it pauses for a multiple of them.
CHEAP = 0.003
PAUSE = 20


class Sandbox:
    """What the server serves and what tests look into.

    `state` may be read for assertions at any time; it is changed only inside `transaction`.
    """

    def __init__(self, *, state_file: Path | None = None, keep: int | None = None) -> None:
        self.url = ""
        self.lock = threading.RLock()
        self.switches = Switches()
        self.faults = Faults()
        self.log = Log(keep)
        self._file = state_file
        self._advancing = threading.Lock()
        self._saving = threading.Lock()
        self._saved = 0
        self._version = 0
        self._unsaved = False
        self._save_after = 0.0
        self._counted: dict[str, tuple[int, int]] = {}
        self._in_flight: set[tuple[str, str | None]] = set()
        self.state, offset = State(), 0
        if state_file is not None and state_file.exists():
            self.state, offset = state.load(state_file)
        self.clock = Clock(offset)
        self.courier = webhooks.Courier(self)

    @contextmanager
    def transaction(
        self,
        *,
        writes: bool = False,
        request_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> Iterator[World]:
        """Hold the lock for one unit of work, after everything that is due has happened."""
        document = None
        try:
            with self.lock:
                happened = self._catch_up()
                world = self._world(self.clock.now())
                world.request_id, world.idempotency_key = request_id, idempotency_key
                try:
                    yield world
                finally:
                    if happened or writes or self._unsaved:
                        document = self.document()
        finally:
            self.save(document)
            self.courier.wake()

    def catch_up(self) -> None:
        """Perform what has become due; cheap when nothing has."""
        with self.transaction():
            pass

    @property
    def requests(self) -> list[Recorded]:
        """The calls so far, with their answers."""
        return self.log.all()

    @property
    def deliveries(self) -> list[Delivered]:
        """The webhooks so far, with their outcomes."""
        return self.log.deliveries()

    def next_at(self) -> int | None:
        """Return when the next thing happens by itself."""
        with self.lock:
            transition = schedule.next_transition(self.state, self.switches)
        return transition.at if transition else None

    def set_clock(self, instant: int, *, frozen: bool = False) -> None:
        """Put the clock anywhere, to arrange a test; what is then due happens at the next call."""
        with self.lock:
            self.clock.move_to(instant)
            if frozen:
                self.clock.freeze()

    def advance(self, to: int) -> None:
        """Move forward through every transition, waiting at each for its webhooks.

        The clock stands at a transition's own instant while its webhooks are delivered, so a
        receiver that moves an invoice's finalization does so before that comes.
        """
        deadline = time.monotonic() + PATIENCE
        with self._advancing:
            if to < self.clock.now():
                raise ApiError(
                    f"The clock only moves forward: it is {self.clock.now()} already.", param="to"
                )
            while self._step(to):
                self.courier.drain(webhooks.deadline_left(deadline))
            self.courier.drain(webhooks.deadline_left(deadline))

    def _step(self, to: int) -> bool:
        """Move to the next instant at which something happens; false when it was the last."""
        with self.lock:
            transition = schedule.next_transition(self.state, self.switches)
            due = transition is not None and transition.at <= to
            target = transition.at if transition is not None and due else to
            if target > self.clock.now():
                self.clock.move_to(target)
            self._catch_up()
            document = self.document()
        self.save(document)
        self.courier.wake()
        return due

    def within_limit(self, kind: str, per_second: int) -> bool:
        """Count a call, and say whether it is within a limit of calls in this real second."""
        second = int(time.monotonic())
        with self.lock:
            counted_in, count = self._counted.get(kind, (second, 0))
            count = count + 1 if counted_in == second else 1
            self._counted[kind] = (second, count)
        return not per_second or count <= per_second

    def enter_flight(self, stream: tuple[str, str | None]) -> bool:
        """Mark a customer's meter as busy; false if it is already."""
        with self.lock:
            if stream in self._in_flight:
                return False
            self._in_flight.add(stream)
            return True

    def leave_flight(self, stream: tuple[str, str | None]) -> None:
        """Mark a customer's meter as free again."""
        with self.lock:
            self._in_flight.discard(stream)

    def objects(self, table: str) -> list[Json]:
        """Return the stored objects of a type, oldest first, for assertions."""
        with self.lock:
            return list(self.state.tables[table].values())

    def document(self, *, at_once: bool = False) -> tuple[int, str] | None:
        """Return the state as text, numbered; the caller holds the lock.

        A state that has grown is not written at every change but a few times a second, and when
        the sandbox closes; a process that is killed loses at most what happened since.
        """
        if self._file is None:
            return None
        began = time.monotonic()
        if began < self._save_after and not at_once:
            self._unsaved = True
            return None
        self._version += 1
        self._unsaved = False
        text = self.state.document(offset=self.clock.offset)
        took = time.monotonic() - began
        self._save_after = began + (PAUSE * took if took > CHEAP else 0.0)
        return self._version, text

    def save(self, document: tuple[int, str] | None) -> None:
        """Write a document unless a newer one was written already; needs no lock."""
        if document is None or self._file is None:
            return
        version, text = document
        with self._saving:
            if version > self._saved:
                state.write(self._file, text)
                self._saved = version

    def close(self) -> None:
        """Write what is not written yet."""
        with self.lock:
            document = self.document(at_once=True)
        self.save(document)

    def _catch_up(self) -> bool:
        happened = False
        while (transition := schedule.next_transition(self.state, self.switches)) is not None:
            if transition.at > self.clock.now():
                break
            transition.perform(self._world(transition.at))
            happened = True
        return happened

    def _world(self, now: int) -> World:
        return World(state=self.state, now=now, switches=self.switches, url=self.url)
