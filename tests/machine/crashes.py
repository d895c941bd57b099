"""Dying at a commit or at a call to Stripe, before it or after it, wherever the code does that.

The points are not listed by hand: every COMMIT, every write outside a transaction and every
request to Stripe that an action makes is one. A crash is a BaseException, so no handler of ours
takes it for a fault that it knows; the session is then thrown away, as the kernel would, and the
server rolls back what was not committed.
"""

import re
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import stripe
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

ROOT = Path(__file__).resolve().parent.parent.parent
OURS = tuple(str(ROOT / room) for room in ("bencher", "billing", "ingest", "series"))
_WRITE = re.compile(r"\s*(WITH|INSERT|UPDATE|DELETE)\b", re.IGNORECASE)


class Crash(BaseException):
    """The process is dead."""


class CrashPoints:
    """Counts the points that an action passes, and crashes at one of them where it is told to.

    That is the first one at which nothing has ever crashed; where there is none left, the one with
    the number that was drawn. So a run reaches nearly every point that it passes.
    """

    def __init__(self) -> None:
        self.passed: Counter[str] = Counter()
        self.hit: Counter[str] = Counter()
        self.crashed = False
        self._countdown = 0
        self._acting = False
        self._lock = threading.Lock()

    def passing(self, kind: str) -> None:
        """Pass a point. Raises Crash where this is the one."""
        with self._lock:
            place = f"{kind} {_place(sys._getframe(1))}"
            self.passed[place] += self._acting
            if self._countdown == 0:
                return
            self._countdown -= 1
            if self._countdown > 0 and self.hit[place] > 0:
                return
            self._countdown = 0
            self.hit[place] += 1
        raise Crash(place)

    def attempt(self, act: Callable[[], Any], *, crash_at: int) -> Any:
        """Do something that dies on the way (0: not at all), then do it again.

        Returns what it came to in the end; `crashed` tells whether it took two attempts. An action
        that does not get that far just succeeds.
        """
        self._countdown, self._acting, self.crashed = crash_at, True, False
        try:
            return act()
        except Crash:
            self.crashed = True
            bury()
            return act()
        finally:
            self._countdown, self._acting = 0, False

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Put the points where commits, writes outside transactions and calls to Stripe are."""
        commit, execute = BaseDatabaseWrapper.commit, CursorWrapper.execute
        request = stripe.RequestsClient.request

        def commit_or_crash(connection: BaseDatabaseWrapper) -> None:
            try:
                self.passing("before commit")
            except Crash:
                # The server rolls back; Django, still alive here, must not stumble over it.
                connection._rollback()  # type: ignore[attr-defined]
                raise
            commit(connection)
            try:
                self.passing("after commit")
            except Crash:
                # Nobody is left to do what was to be done after the commit.
                connection.run_on_commit.clear()
                raise

        def execute_or_crash(cursor: CursorWrapper, sql: Any, params: Any = None) -> Any:
            if cursor.db.in_atomic_block or not _WRITE.match(str(sql)):
                return execute(cursor, sql, params)
            self.passing("before write")
            result = execute(cursor, sql, params)
            self.passing("after write")
            return result

        def request_or_crash(client: Any, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
            self.passing(f"before {method}")
            answer = request(client, method, url, *args, **kwargs)
            self.passing(f"after {method}")
            return answer

        with (
            _replaced(BaseDatabaseWrapper, "commit", commit_or_crash),
            _replaced(CursorWrapper, "execute", execute_or_crash),
            _replaced(stripe.RequestsClient, "request", request_or_crash),
        ):
            yield


def bury() -> None:
    """Throw this thread's session away, as the end of its process does, and let its lease expire.

    A lease is a matter of minutes on the real clock, in which nobody waits here.
    """
    connections["default"].close()
    del connections["default"]
    with connections["default"].cursor() as cursor:
        cursor.execute("UPDATE billing_senderlease SET expires_at = clock_timestamp()")


@contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


def _place(frame: FrameType | None) -> str:
    """Return where in our own code this is: the innermost function, and what called that."""
    names: list[str] = []
    while frame is not None and len(names) < 2:
        path = frame.f_code.co_filename
        if path.startswith(OURS) and "/gateway/" not in path:
            names.append(f"{Path(path).stem}.{frame.f_code.co_name}")
        frame = frame.f_back
    return " in ".join(names) or "elsewhere"
