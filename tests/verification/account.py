"""An account at which the scenario is lived: the gateway to it, and how time passes there."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar

from stripe import StripeClient

from billing import gateway
from tests.stripe_sandbox import Sandbox

T = TypeVar("T")

# How long Stripe is given to add up meter events, or to bring a test clock to its time.
PATIENCE = timedelta(minutes=40)


class Time(Protocol):
    """Time at an account."""

    def now(self) -> datetime:
        """Return the instant that it is for this account's customers."""

    def advance(self, to: datetime) -> None:
        """Let time pass, and everything happen that is due meanwhile."""

    def pause(self) -> timedelta:
        """Give Stripe some time to add up; returns how much."""

    def of_customer(self) -> dict[str, Any]:
        """Return the parameters that put a new customer under this time."""


@dataclass(frozen=True)
class SandboxTime:
    """The sandbox's own clock, which all of its customers have."""

    sandbox: Sandbox

    def now(self) -> datetime:
        """Return the sandbox's time."""
        return datetime.fromtimestamp(self.sandbox.clock.now(), tz=UTC)

    def advance(self, to: datetime) -> None:
        """Move the sandbox's clock."""
        self.sandbox.advance(int(to.timestamp()))

    def pause(self) -> timedelta:
        """Let a minute of the sandbox's time pass."""
        minute = timedelta(minutes=1)
        self.advance(self.now() + minute)
        return minute

    def of_customer(self) -> dict[str, Any]:
        """Return nothing: there is one time for all."""
        return {}


@dataclass(frozen=True)
class TestClockTime:
    """One of Stripe's test clocks; what it takes Stripe to add up is real time."""

    __test__ = False

    client: StripeClient
    clock_id: str
    sleep: Callable[[float], None] = time.sleep

    PAUSE_SECONDS = 20

    @classmethod
    def start(
        cls,
        client: StripeClient,
        *,
        at: datetime,
        sleep: Callable[[float], None] = time.sleep,
    ) -> "TestClockTime":
        """Create a test clock that stands at an instant."""
        made = client.v1.test_helpers.test_clocks.create(
            {"frozen_time": int(at.timestamp()), "name": "Bencher verification"}
        )
        return cls(client, made.id, sleep)

    def now(self) -> datetime:
        """Return where the clock stands."""
        found = self.client.v1.test_helpers.test_clocks.retrieve(self.clock_id)
        return datetime.fromtimestamp(found.frozen_time, tz=UTC)

    def advance(self, to: datetime) -> None:
        """Move the clock and wait until Stripe has done everything that was due."""
        clocks = self.client.v1.test_helpers.test_clocks
        clocks.advance(self.clock_id, {"frozen_time": int(to.timestamp())})
        waited = timedelta(0)
        while (status := clocks.retrieve(self.clock_id).status) != "ready":
            assert status == "advancing", f"the test clock is {status}"
            assert waited < PATIENCE, "the test clock does not get there"
            waited += self.pause()

    def pause(self) -> timedelta:
        """Really wait: aggregation is no part of a test clock's time."""
        self.sleep(self.PAUSE_SECONDS)
        return timedelta(seconds=self.PAUSE_SECONDS)

    def of_customer(self) -> dict[str, Any]:
        """Return the clock that a customer is bound to."""
        return {"test_clock": self.clock_id}

    def delete(self) -> None:
        """Delete the clock, and with it its customers and their subscriptions."""
        self.client.v1.test_helpers.test_clocks.delete(self.clock_id)


@dataclass(frozen=True)
class Account:
    """A Stripe account: the sandbox's, or a real one in test mode."""

    name: str
    stripe: gateway.Gateway
    time: Time

    @property
    def client(self) -> StripeClient:
        """Return the client below the gateway, for what customers do at Stripe themselves."""
        return self.stripe._client

    def customer(self, name: str) -> str:
        """Create a customer who pays with a good card; returns its id."""
        parameters: Any = {"name": name, **self.time.of_customer()}
        customer: str = self.client.v1.customers.create(parameters).id
        card = self.client.v1.payment_methods.attach("pm_card_visa", {"customer": customer})
        self.client.v1.customers.update(
            customer, {"invoice_settings": {"default_payment_method": card.id}}
        )
        return customer

    def wait(self, until: Callable[[], bool]) -> timedelta:
        """Wait until something holds; returns how long that took, at most PATIENCE."""
        waited = timedelta(0)
        while not until():
            assert waited < PATIENCE, f"{self.name} does not get there"
            waited += self.time.pause()
        return waited

    def settled(self, read: Callable[[], T]) -> T:
        """Return what is read once two readings, a pause apart, are the same."""
        before, waited = read(), self.time.pause()
        while (found := read()) != before:
            assert waited < PATIENCE, f"{self.name} does not settle"
            before, waited = found, waited + self.time.pause()
        return found
