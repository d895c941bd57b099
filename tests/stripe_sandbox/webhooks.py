"""Delivery of events: signed as Stripe signs them, in order, from a thread of its own.

The thread takes the sandbox's lock only to read what to send and to note the outcome, never while
it waits for the receiver: the receiver calls back into the sandbox while it handles an event.
"""

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import requests

from tests.stripe_sandbox import event_destinations
from tests.stripe_sandbox.clock import real_now
from tests.stripe_sandbox.faults import WebhookFault
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


@dataclass(frozen=True, slots=True)
class Parcel:
    """An event on its way to an endpoint."""

    event: Json
    endpoint: str
    url: str
    secret: str
    body: bytes


def sign(secret: str, body: bytes, at: int) -> str:
    """Return the `Stripe-Signature` header."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


class Courier:
    """Delivers `state.undelivered` one after another, each with a few attempts.

    While it holds, events wait; `release` lets them go in any order, for tests of permutations.
    """

    def __init__(self, sandbox: "Sandbox") -> None:
        self.attempts: list[Attempt] = []
        self._sandbox = sandbox
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._holding = False
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

    def hold(self) -> None:
        """Deliver nothing until `release`."""
        self._holding = True

    def waiting(self) -> list[str]:
        """Return the types of the events that wait, in the order in which they happened."""
        with self._sandbox.lock:
            return [self._event(event)["type"] for event, _ in self._sandbox.state.undelivered]

    def release(self, order: Sequence[int] | None = None) -> None:
        """Deliver what waits, in the given order of positions; what is left out is lost."""
        with self._sandbox.lock:
            waiting = self._sandbox.state.undelivered
            if order is not None:
                waiting[:] = [waiting[position] for position in order]
            self._holding = False
        self.wake()

    def drain(self, seconds: float) -> bool:
        """Wait until everything is delivered or given up; false when the time ran out."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._has_work(), timeout=seconds)

    def _has_work(self) -> bool:
        return bool(self._sandbox.state.undelivered) and not self._holding

    def _run(self) -> None:
        session = requests.Session()
        session.trust_env = False
        while not self._stopping.is_set():
            with self._changed:
                self._changed.wait_for(
                    lambda: self._stopping.is_set() or self._has_work(), timeout=1.0
                )
            if self._has_work() and not self._stopping.is_set():
                self._deliver_next(session)
                self.wake()

    def _event(self, identifier: str) -> Json:
        tables = self._sandbox.state.tables
        thin = tables["v2.core.event"].get(identifier)
        return tables["event"][identifier] if thin is None else thin

    def _deliver_next(self, session: requests.Session) -> None:
        with self._sandbox.lock:
            waiting = self._sandbox.state.undelivered
            key = waiting[self._sandbox.faults.position(len(waiting))]
            event = self._event(key[0])
            parcel = self._pack(event, key[1])
        if parcel is not None:
            self._carry(session, parcel)
        with self._sandbox.lock:
            if key in self._sandbox.state.undelivered:
                self._sandbox.state.undelivered.remove(key)
            if "pending_webhooks" in event:
                event["pending_webhooks"] -= 1
            document = self._sandbox.document()
        self._sandbox.save(document)

    def _pack(self, event: Json, identifier: str) -> Parcel | None:
        """Return what goes to an endpoint, or none if it is gone or disabled."""
        tables = self._sandbox.state.tables
        endpoint = tables["webhook_endpoint"].get(identifier)
        if endpoint is not None and endpoint["status"] == "enabled":
            body = json.dumps(event, indent=2).encode()
            return Parcel(event, identifier, endpoint["url"], endpoint["secret"], body)
        destination = tables["v2.core.event_destination"].get(identifier)
        if destination is not None and destination["status"] == "enabled":
            body = json.dumps(event_destinations.notification(event)).encode()
            return Parcel(event, identifier, destination["_url"], destination["_secret"], body)
        return None

    def _carry(self, session: requests.Session, parcel: Parcel) -> None:
        fault = self._sandbox.faults.of_webhook(parcel.event["type"])
        match fault:
            case WebhookFault.LOST:
                self._note(parcel, attempt=0, status=None, signature="", fault=fault)
            case WebhookFault.DUPLICATED:
                self._attempt(session, parcel, fault)
                self._attempt(session, parcel, fault)
            case None:
                self._attempt(session, parcel, None)

    def _attempt(
        self, session: requests.Session, parcel: Parcel, fault: WebhookFault | None
    ) -> None:
        pauses = (0.0, *self._sandbox.switches.webhook_backoff)
        for number, pause in enumerate(pauses, start=1):
            if self._stopping.wait(pause):
                return
            # Signed with real time: the receiver compares it with its own clock.
            signature = sign(parcel.secret, parcel.body, real_now())
            status = _post(session, parcel, signature)
            self.attempts.append(
                Attempt(parcel.event["id"], parcel.event["type"], parcel.endpoint, number, status)
            )
            self._note(parcel, attempt=number, status=status, signature=signature, fault=fault)
            if status is not None and 200 <= status < 300:
                return

    def _note(
        self,
        parcel: Parcel,
        *,
        attempt: int,
        status: int | None,
        signature: str,
        fault: WebhookFault | None,
    ) -> None:
        self._sandbox.log.add_delivery(
            event=parcel.event["id"],
            type=parcel.event["type"],
            endpoint=parcel.endpoint,
            url=parcel.url,
            body=parcel.body.decode(),
            signature=signature,
            attempt=attempt,
            status=status,
            at=self._sandbox.clock.now(),
            fault=fault,
        )


def _post(session: requests.Session, parcel: Parcel, signature: str) -> int | None:
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "Stripe-Signature": signature,
        "User-Agent": "Stripe/1.0 (sandbox)",
    }
    try:
        answer = session.post(
            parcel.url, data=parcel.body, headers=headers, timeout=TIMEOUT, allow_redirects=False
        )
    except requests.RequestException:
        return None
    return answer.status_code


def deadline_left(deadline: float) -> float:
    """Return the seconds until a monotonic deadline, never negative."""
    return max(0.0, deadline - time.monotonic())
