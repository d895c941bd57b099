"""Subscription schedules: a price that changes when the current period ends."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from billing.gateway.client import Client, ask
from billing.gateway.reading import instant, nothing, reference


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch `[starts_at, ends_at)` of a schedule with the prices that hold in it."""

    starts_at: datetime
    ends_at: datetime
    price_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Schedule:
    """What a subscription will become."""

    id: str
    status: str
    subscription_id: str
    phases: tuple[Phase, ...]


class Schedules(Client):
    """Calls about subscription schedules."""

    def schedule_of(self, subscription_id: str) -> Schedule:
        """Put a subscription under a schedule that as yet changes nothing; a repeat finds it."""
        found = ask(
            lambda: self._client.v1.subscriptions.retrieve(subscription_id),
            lambda subscription: reference(subscription.schedule),
        )
        if found:
            return ask(lambda: self._client.v1.subscription_schedules.retrieve(found), _schedule)
        return ask(
            lambda: self._client.v1.subscription_schedules.create(
                {"from_subscription": subscription_id},
                {"idempotency_key": f"schedule-{subscription_id}"},
            ),
            _schedule,
        )

    def change_prices_at_period_end(
        self, subscription_id: str, *, price_ids: Sequence[str]
    ) -> Schedule:
        """Let a subscription change to other prices when its current period ends.

        The current period keeps its prices to its end, so its usage is invoiced by them; after
        the first period at the new prices Stripe lets the subscription go on by itself. The same
        call again changes nothing.
        """
        schedule = self.schedule_of(subscription_id)
        current = schedule.phases[0]
        parameters: Any = {
            "end_behavior": "release",
            "proration_behavior": "none",
            "phases": [
                {
                    "items": [{"price": price} for price in current.price_ids],
                    "start_date": int(current.starts_at.timestamp()),
                    "end_date": int(current.ends_at.timestamp()),
                },
                {
                    "items": [{"price": price} for price in price_ids],
                    "duration": {"interval": "month", "interval_count": 1},
                    "proration_behavior": "none",
                },
            ],
        }
        return ask(
            lambda: self._client.v1.subscription_schedules.update(schedule.id, parameters),
            _schedule,
        )

    def release_schedule(self, schedule_id: str) -> None:
        """Take a schedule away and leave the subscription as it is."""
        ask(lambda: self._client.v1.subscription_schedules.release(schedule_id), nothing)


def _schedule(found: Any) -> Schedule:
    return Schedule(
        id=found.id,
        status=found.status,
        subscription_id=reference(found.subscription),
        phases=tuple(
            Phase(
                starts_at=instant(phase.start_date),
                ends_at=instant(phase.end_date),
                # dj-stripe gives StripeObject a method called items.
                price_ids=tuple(reference(item.price) for item in phase["items"]),
            )
            for phase in found.phases
        ),
    )
