"""The recorded wire traffic, for assertions and for the curious."""

import threading
from collections import deque
from dataclasses import asdict, dataclass
from typing import Any

KEEP = 10_000


@dataclass(frozen=True, slots=True)
class Recorded:
    """One request to the API and its answer; the key in the headers is masked."""

    number: int
    method: str
    path: str
    query: str
    body: str
    params: dict[str, Any]
    headers: dict[str, str]
    status: int
    response: dict[str, Any]
    at: int


class Log:
    """The latest requests, numbered from 1."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: deque[Recorded] = deque(maxlen=KEEP)
        self._count = 0

    def add(self, **request: Any) -> None:
        """Record one request."""
        with self._lock:
            self._count += 1
            self._kept.append(Recorded(number=self._count, **request))

    def all(self) -> list[Recorded]:
        """Return what is kept, oldest first."""
        with self._lock:
            return list(self._kept)

    def after(self, number: int) -> list[dict[str, Any]]:
        """Return what came after a number, as plain data."""
        return [asdict(request) for request in self.all() if request.number > number]
