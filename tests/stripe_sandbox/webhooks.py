"""Delivery of events: signed as Stripe signs them, in order, from a thread of its own.

The thread takes the sandbox's lock only to read what to send and to note the outcome, never while
it waits for the receiver: the receiver calls back into the sandbox while it handles an event.
"""

import hashlib
import hmac
import json
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import requests

from tests.stripe_sandbox.clock import real_now
from tests.stripe_sandbox.state import Json

if TYPE_CHECKING:
    from tests.stripe_sandbox.sandbox import Sandbox

TIMEOUT = 20.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at one endpoint: its answer, or none if there was no connection in time."""

    event: str
    type: str
    endpoint: str
    number: int
    status: int | None


def sign(secret: str, body: bytes, at: int) -> str:
    """Return the `Stripe-Signature` header."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


class Courier:
    """Delivers `state.undelivered` one after another, each with a few attempts."""

    def __init__(self, sandbox: "Sandbox") -> None:
        self.attempts: list[Attempt] = []
        self._sandbox = sandbox
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stripe-webhooks", daemon=True)

    def start(self) -> None:
        """Begin delivering."""
        self._thread.start()

    def stop(self) -> None:
        """Stop after the attempt that is under way, without waiting for a slow receiver."""
        self._stopping.set()
        self.wake()

    def wake(self) -> None:
        """Say that there may be something to deliver, or that something was."""
        with self._changed:
            self._changed.notify_all()

    def drain(self, seconds: float) -> bool:
        """Wait until everything is delivered or given up; false when the time ran out."""
        with self._changed:
            return self._changed.wait_for(
                lambda: not self._sandbox.state.undelivered, timeout=seconds
            )

    def _run(self) -> None:
        session = requests.Session()
        session.trust_env = False
        while not self._stopping.is_set():
            with self._changed:
                self._changed.wait_for(
                    lambda: self._stopping.is_set() or bool(self._sandbox.state.undelivered),
                    timeout=1.0,
                )
            if self._sandbox.state.undelivered and not self._stopping.is_set():
                self._deliver_first(session)
                self.wake()

    def _deliver_first(self, session: requests.Session) -> None:
        with self._sandbox.lock:
            event_id, endpoint_id = self._sandbox.state.undelivered[0]
            event = self._sandbox.state.tables["event"][event_id]
            endpoint = self._sandbox.state.tables["webhook_endpoint"].get(endpoint_id)
            body = json.dumps(event, indent=2).encode()
        if endpoint is not None and endpoint["status"] == "enabled":
            self._attempt(session, event, endpoint, body)
        with self._sandbox.lock:
            self._sandbox.state.undelivered.pop(0)
            event["pending_webhooks"] -= 1
            document = self._sandbox.document()
        self._sandbox.save(document)

    def _attempt(self, session: requests.Session, event: Json, endpoint: Json, body: bytes) -> None:
        pauses = (0.0, *self._sandbox.switches.webhook_backoff)
        for number, pause in enumerate(pauses, start=1):
            if self._stopping.wait(pause):
                return
            status = _post(session, endpoint, body)
            self.attempts.append(
                Attempt(event["id"], event["type"], endpoint["id"], number, status)
            )
            if status is not None and 200 <= status < 300:
                return


def _post(session: requests.Session, endpoint: Json, body: bytes) -> int | None:
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "Stripe-Signature": sign(endpoint["secret"], body, real_now()),
        "User-Agent": "Stripe/1.0 (sandbox)",
    }
    try:
        answer = session.post(
            endpoint["url"], data=body, headers=headers, timeout=TIMEOUT, allow_redirects=False
        )
    except requests.RequestException:
        return None
    return answer.status_code


def deadline_left(deadline: float) -> float:
    """Return the seconds until a monotonic deadline, never negative."""
    return max(0.0, deadline - time.monotonic())
