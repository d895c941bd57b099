"""Subscription schedules: a price that changes when the current period ends."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from billing.gateway.client import Client, ask
from billing.gateway.reading import instant, nothing, reference, seconds


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch `[starts_at, ends_at)` of a schedule with the prices that hold in it.

    `quantities` has those of prices of which there is more than one, by price.
    """

    starts_at: datetime
    ends_at: datetime
    price_ids: tuple[str, ...]
    quantities: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Schedule:
    """What a subscription will become."""

    id: str
    status: str
    subscription_id: str
    phases: tuple[Phase, ...]
    ends_subscription: bool = False


class Schedules(Client):
    """Calls about subscription schedules."""

    def schedule_of(self, subscription_id: str) -> Schedule:
        """Put a subscription under a schedule that as yet changes nothing; a repeat finds it."""
        found = ask(
            lambda: self._client.v1.subscriptions.retrieve(subscription_id),
            lambda subscription: reference(subscription.schedule),
        )
        if found:
            return self.schedule(found)
        # Without an idempotency key of ours: a schedule that was released in the meantime would
        # be answered again. Of two calls at once Stripe refuses one.
        return ask(
            lambda: self._client.v1.subscription_schedules.create(
                {"from_subscription": subscription_id}
            ),
            _schedule,
        )

    def schedule(self, schedule_id: str) -> Schedule:
        """Return a schedule as it is now."""
        return ask(lambda: self._client.v1.subscription_schedules.retrieve(schedule_id), _schedule)

    def change_prices_at_period_end(
        self, subscription_id: str, *, months: Sequence[Sequence[str]]
    ) -> Schedule:
        """Let a subscription change to other prices when its current period ends.

        `months` has the prices of each following month; with the last ones Stripe lets the
        subscription go on by itself. The current period keeps its prices to its end, so its usage
        is invoiced by them. The same call again changes nothing.
        """
        schedule = self.schedule_of(subscription_id)
        current = schedule.phases[0]
        parameters: Any = {
            "end_behavior": "release",
            "proration_behavior": "none",
            "phases": [
                {
                    "items": [_chosen(price, current.quantities) for price in current.price_ids],
                    "start_date": seconds(current.starts_at),
                    "end_date": seconds(current.ends_at),
                },
                *(
                    {
                        "items": [{"price": price} for price in price_ids],
                        "duration": {"interval": "month", "interval_count": 1},
                        "proration_behavior": "none",
                    }
                    for price_ids in months
                ),
            ],
        }
        return ask(
            lambda: self._client.v1.subscription_schedules.update(schedule.id, parameters),
            _schedule,
        )

    def release_schedule(self, schedule_id: str) -> None:
        """Take a schedule away and leave the subscription as it is."""
        ask(lambda: self._client.v1.subscription_schedules.release(schedule_id), nothing)

    def release_from_schedule(self, subscription_id: str) -> None:
        """Take away the schedule of a subscription, if it has one: Stripe then lets it be ended."""
        found = ask(
            lambda: self._client.v1.subscriptions.retrieve(subscription_id),
            lambda subscription: reference(subscription.schedule),
        )
        if found:
            self.release_schedule(found)


def _chosen(price_id: str, quantities: Mapping[str, int]) -> dict[str, Any]:
    # Stripe refuses a quantity of what is metered; of everything else it takes one by itself.
    if price_id in quantities:
        return {"price": price_id, "quantity": quantities[price_id]}
    return {"price": price_id}


def _schedule(found: Any) -> Schedule:
    return Schedule(
        id=found.id,
        status=found.status,
        subscription_id=reference(found.subscription),
        phases=tuple(_phase(phase) for phase in found.phases),
        ends_subscription=found.end_behavior == "cancel",
    )


def _phase(found: Any) -> Phase:
    # dj-stripe gives StripeObject a method called items.
    items = found["items"]
    return Phase(
        starts_at=instant(found.start_date),
        ends_at=instant(found.end_date),
        price_ids=tuple(reference(item.price) for item in items),
        quantities={
            reference(item.price): item.quantity
            for item in items
            if (getattr(item, "quantity", None) or 1) != 1
        },
    )
