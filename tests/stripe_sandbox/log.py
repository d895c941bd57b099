"""The recorded wire traffic: every call with its answer, every webhook with its outcome.

Enough for an oracle that reads nothing else: calls and deliveries share one numbering, carry the
sandbox's instant, and say which fault they met and whether the call took effect all the same.
"""

import threading
from collections import deque
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Recorded:
    """One request to the API and its answer; the key in the headers is masked.

    `status` is 0 and `response` empty when the client got no answer. `applied` says whether the
    sandbox acted on the request: it may have without an answer, and not have with one.
    """

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
    fault: str | None
    applied: bool


@dataclass(frozen=True, slots=True)
class Delivered:
    """One attempt at one endpoint with one event; `status` is None without an answer.

    An event that was lost on its way has the attempt 0, and no status.
    """

    number: int
    event: str
    type: str
    endpoint: str
    url: str
    body: str
    signature: str
    attempt: int
    status: int | None
    at: int
    fault: str | None


class Log:
    """The traffic, numbered from 1; `keep` limits how much of each kind is remembered."""

    def __init__(self, keep: int | None = None) -> None:
        self._lock = threading.Lock()
        self._requests: deque[Recorded] = deque(maxlen=keep)
        self._deliveries: deque[Delivered] = deque(maxlen=keep)
        self._count = 0

    def add(self, **request: Any) -> None:
        """Record one request."""
        with self._lock:
            self._count += 1
            self._requests.append(Recorded(number=self._count, **request))

    def add_delivery(self, **delivery: Any) -> None:
        """Record one attempt to deliver an event."""
        with self._lock:
            self._count += 1
            self._deliveries.append(Delivered(number=self._count, **delivery))

    def all(self) -> list[Recorded]:
        """Return the requests that are kept, oldest first."""
        with self._lock:
            return list(self._requests)

    def deliveries(self) -> list[Delivered]:
        """Return the deliveries that are kept, oldest first."""
        with self._lock:
            return list(self._deliveries)

    def after(self, number: int) -> list[dict[str, Any]]:
        """Return the requests after a number, as plain data."""
        return [asdict(request) for request in self.all() if request.number > number]

    def deliveries_after(self, number: int) -> list[dict[str, Any]]:
        """Return the deliveries after a number, as plain data."""
        return [asdict(delivery) for delivery in self.deliveries() if delivery.number > number]
