"""What goes wrong on purpose: per call, at a rate, and on the way of webhooks.

    sandbox.faults.next("POST /v1/billing/meter_events", Fault.TIMEOUT_AFTER)
    sandbox.faults.next("GET /v1/subscriptions/*", Fault.SERVER_ERROR, count=3)
    sandbox.faults.rate(0.3, seed=7)
    sandbox.faults.next_webhook("invoice.created", WebhookFault.LOST)
    sandbox.faults.webhook_rate(0.3, seed=7, shuffle=True)

A rate is decided by its seed, the operation (method, path without ids) and how many calls of that
operation came before: so calls of different kinds may interleave differently, as threads do, and
every operation still meets the same faults.
"""

import random
import re
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

METER_EVENTS = "POST /v1/billing/meter_events"
IDENTIFIER = re.compile(r"/[a-z]+_[A-Za-z0-9_]{8,}")


class Fault(StrEnum):
    """What may happen to a call; the names say whether Stripe performed it."""

    # 429 without and with the header that lets stripe-python try again by itself.
    RATE_LIMITED = "rate_limited"
    RATE_LIMITED_RETRY = "rate_limited_retry"
    # 500 with a JSON body; as at Stripe, the same idempotency key gets it again for a day.
    SERVER_ERROR = "server_error"
    SERVER_ERROR_AFTER = "server_error_after"
    # HTML from the machines in front of the API, which never saw the call.
    BAD_GATEWAY = "bad_gateway"
    UNAVAILABLE = "unavailable"
    # No answer: after `switches.timeout_seconds` the connection is closed without a byte.
    TIMEOUT_BEFORE = "timeout_before"
    TIMEOUT_AFTER = "timeout_after"
    # The connection is reset at once.
    RESET_BEFORE = "reset_before"
    RESET_AFTER = "reset_after"
    # The right answer, after `switches.slow_seconds`.
    SLOW = "slow"
    # Only of meter events: answered with 200, its identifier remembered, and never aggregated.
    ACCEPTED_AND_LOST = "accepted_and_lost"

    @property
    def performs(self) -> bool:
        """Say whether the call takes effect in spite of the fault."""
        return self in PERFORMED

    @property
    def hangs_up(self) -> bool:
        """Say whether the client gets no answer at all."""
        return self.value.startswith(("timeout", "reset"))


PERFORMED = {
    Fault.SERVER_ERROR_AFTER,
    Fault.TIMEOUT_AFTER,
    Fault.RESET_AFTER,
    Fault.SLOW,
    Fault.ACCEPTED_AND_LOST,
}
# Every kind but the lost event: no retry of the same identifier can heal that one.
ANSWERLESS = tuple(kind for kind in Fault if kind is not Fault.ACCEPTED_AND_LOST)


class WebhookFault(StrEnum):
    """What may happen to an event on its way to an endpoint."""

    LOST = "lost"
    DUPLICATED = "duplicated"


@dataclass(slots=True)
class Rule:
    """The next `left` calls (or events) that match a pattern meet one fault; None is for good."""

    pattern: str
    fault: str
    left: int | None

    def takes(self, name: str) -> bool:
        """Say whether the rule applies to a call, and count it if so."""
        if self.left == 0 or not fnmatchcase(name, self.pattern):
            return False
        if self.left is not None:
            self.left -= 1
        return True


@dataclass(slots=True)
class Rate:
    """A share of the matching calls (or events) meet one of some faults, decided by a seed."""

    share: float
    seed: int
    kinds: tuple[str, ...]
    pattern: str = "*"
    # At most so many in a row of one operation, so that patience ends; None is no limit.
    in_a_row: int | None = None
    counted: Counter[str] = field(default_factory=Counter)
    row: Counter[str] = field(default_factory=Counter)

    def takes(self, name: str) -> str | None:
        """Return the fault that the next call of an operation meets, if any."""
        if not fnmatchcase(name, self.pattern):
            return None
        self.counted[name] += 1
        dice = random.Random(f"{self.seed} {name} {self.counted[name]}")
        fitting = [
            kind
            for kind in self.kinds
            if kind != Fault.ACCEPTED_AND_LOST.value or name == METER_EVENTS
        ]
        spared = self.in_a_row is not None and self.row[name] >= self.in_a_row
        if dice.random() >= self.share or spared or not fitting:
            self.row[name] = 0
            return None
        self.row[name] += 1
        return dice.choice(fitting)


class Faults:
    """The faults that are in force; scripted ones come before rates."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        """Let everything go right again."""
        with self._lock:
            self._rules: list[Rule] = []
            self._rates: list[Rate] = []
            self._webhook_rules: list[Rule] = []
            self._webhook_rates: list[Rate] = []
            self._shuffle: random.Random | None = None

    def next(self, call: str, fault: Fault, *, count: int | None = 1) -> None:
        """Let the next `count` calls of `METHOD /path` (`*` stands for anything) meet a fault.

        With `count=None` all of them do, until `clear`. Raises ValueError for a fault that the
        call cannot meet.
        """
        if fault is Fault.ACCEPTED_AND_LOST and call != METER_EVENTS:
            raise ValueError(f"Only {METER_EVENTS} can be accepted and lost, not {call}.")
        with self._lock:
            self._rules.append(Rule(call, fault.value, count))

    def rate(
        self,
        share: float,
        *,
        seed: int,
        kinds: Sequence[Fault] = ANSWERLESS,
        calls: str = "*",
        in_a_row: int | None = None,
    ) -> None:
        """Let a share (0 to 1) of the matching calls fail, each in one of some ways."""
        with self._lock:
            names = tuple(kind.value for kind in kinds)
            self._rates.append(Rate(share, seed, names, calls, in_a_row))

    def next_webhook(self, event: str, fault: WebhookFault, *, count: int | None = 1) -> None:
        """Let the next `count` events of a type (`*` stands for anything) meet a fault."""
        with self._lock:
            self._webhook_rules.append(Rule(event, fault.value, count))

    def webhook_rate(
        self,
        share: float,
        *,
        seed: int,
        kinds: Sequence[WebhookFault] = tuple(WebhookFault),
        events: str = "*",
        shuffle: bool = False,
    ) -> None:
        """Let a share of the events be lost or doubled; `shuffle` mixes those that wait."""
        with self._lock:
            names = tuple(kind.value for kind in kinds)
            self._webhook_rates.append(Rate(share, seed, names, events))
            if shuffle:
                self._shuffle = random.Random(seed)

    def of_call(self, method: str, path: str) -> Fault | None:
        """Return what a call meets; asked once per call, because it counts."""
        call = f"{method} {path}"
        with self._lock:
            for rule in self._rules:
                if rule.takes(call):
                    return Fault(rule.fault)
            operation = IDENTIFIER.sub("/*", call)
            for rate in self._rates:
                if kind := rate.takes(operation):
                    return Fault(kind)
        return None

    def of_webhook(self, event: str) -> WebhookFault | None:
        """Return what an event meets on its way; asked once per event and endpoint."""
        with self._lock:
            for rule in self._webhook_rules:
                if rule.takes(event):
                    return WebhookFault(rule.fault)
            for rate in self._webhook_rates:
                if kind := rate.takes(event):
                    return WebhookFault(kind)
        return None

    def position(self, waiting: int) -> int:
        """Return which of so many waiting events goes next: the first, unless they are mixed."""
        with self._lock:
            return self._shuffle.randrange(waiting) if self._shuffle else 0

    def shown(self) -> dict[str, Any]:
        """Return what is in force as plain data."""
        with self._lock:
            return {
                "calls": [asdict(rule) for rule in self._rules if rule.left != 0],
                "rates": [_shown(rate) for rate in self._rates],
                "webhooks": [asdict(rule) for rule in self._webhook_rules if rule.left != 0],
                "webhook_rates": [_shown(rate) for rate in self._webhook_rates],
                "shuffle": self._shuffle is not None,
            }


def _shown(rate: Rate) -> dict[str, Any]:
    return {"share": rate.share, "seed": rate.seed, "kinds": rate.kinds, "pattern": rate.pattern}
