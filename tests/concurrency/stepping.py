"""Two sessions stepped by hand: each thread has its own, and stops where a test says.

Nothing here waits for time to pass. A thread stops at a `Pause` until it is let go, and that
another waits for a lock is read from the server.
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import ParamSpec, TypeVar

from django.db import connection, connections

# Only a test that has failed waits this long; a process may take long to start beside others.
PATIENCE_SECONDS = 60.0
_POLL_SECONDS = 0.005

P = ParamSpec("P")
T = TypeVar("T")


class Pause:
    """A point at which the first thread that comes stops until it is let go."""

    def __init__(self) -> None:
        self._first = threading.Lock()
        self._reached = threading.Event()
        self._gone_on = threading.Event()

    def stop_here(self) -> None:
        """Stop the calling thread, if it is the first to come here."""
        if self._first.acquire(blocking=False):
            self._reached.set()
            assert self._gone_on.wait(PATIENCE_SECONDS), "nobody let the paused thread go on"

    @property
    def is_reached(self) -> bool:
        """Tell whether a thread has come here."""
        return self._reached.is_set()

    def wait_until_reached(self) -> None:
        """Wait until a thread has stopped here."""
        assert self._reached.wait(PATIENCE_SECONDS), "no thread came to the pause"

    def let_go(self) -> None:
        """Let the stopped thread go on."""
        self._gone_on.set()

    def before(self, function: Callable[P, T]) -> Callable[P, T]:
        """Return the function with this pause in front of it."""

        def paused(*args: P.args, **kwargs: P.kwargs) -> T:
            self.stop_here()
            return function(*args, **kwargs)

        return paused

    def after(self, function: Callable[P, T]) -> Callable[P, T]:
        """Return the function with this pause behind it."""

        def paused(*args: P.args, **kwargs: P.kwargs) -> T:
            result = function(*args, **kwargs)
            self.stop_here()
            return result

        return paused


def begin(act: Callable[[], T]) -> Future[T]:
    """Do something in a thread of its own; its database session is closed before it is done."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            try:
                result = act()
            finally:
                connections.close_all()
        except BaseException as error:  # noqa: BLE001 - whoever asks for the result gets it
            future.set_exception(error)
        else:
            future.set_result(result)

    threading.Thread(target=run, daemon=True).start()
    return future


def done(future: Future[T]) -> T:
    """Return what a thread's work came to, within bounds."""
    return future.result(PATIENCE_SECONDS)


def at_once(acts: Sequence[Callable[[], T]]) -> list[T]:
    """Do things in as many threads, which all start once each has its session."""
    start = threading.Barrier(len(acts))

    def after_start(act: Callable[[], T]) -> T:
        connection.ensure_connection()
        start.wait(PATIENCE_SECONDS)
        return act()

    return [done(future) for future in [begin(partial(after_start, act)) for act in acts]]


def wait_for_advisory_lock_waiter() -> None:
    """Wait until a session of this database waits for an advisory lock, which the fence is."""
    _until("no session waits for the fence", _ADVISORY)


def wait_for_lock_waiters(number: int = 1) -> None:
    """Wait until that many sessions of this database wait for a lock of any kind."""
    _until(f"fewer than {number} sessions wait for a lock", f"{_WAITING} >= {number}")


def deadlocks() -> int:
    """Return how many deadlocks this database has seen, by all sessions that are now closed."""
    # A session tells its figures when it ends.
    _until("sessions are still open", _ALONE)
    with connection.cursor() as cursor:
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        row = cursor.fetchone()
    assert row is not None
    return int(row[0])


_ADVISORY = """
EXISTS (
    SELECT FROM pg_locks
    WHERE locktype = 'advisory' AND NOT granted
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
)
"""
_WAITING = """
(SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND wait_event_type = 'Lock')
"""
_ALONE = """
NOT EXISTS (
    SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend'
      AND pid <> pg_backend_pid()
)
"""


def _until(otherwise: str, condition: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    with connection.cursor() as cursor:
        while True:
            cursor.execute(f"SELECT {condition}")
            row = cursor.fetchone()
            if row is not None and row[0]:
                return
            assert time.monotonic() < deadline, otherwise
            time.sleep(_POLL_SECONDS)
