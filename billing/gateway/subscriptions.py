"""Subscriptions, their items and the items' periods."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from billing.gateway.client import PAGE, Client, ask, ask_all
from billing.gateway.reading import instant, instant_or_none, metadata, reference, seconds


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a subscription, with its current period; `meter_id` is empty for a flat fee."""

    id: str
    price_id: str
    product_id: str
    starts_at: datetime
    ends_at: datetime
    meter_id: str = ""


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription as Stripe has it now.

    `schedule_id` is that of the schedule that changes it with a coming period; empty without one.
    """

    id: str
    customer_id: str
    status: str
    items: tuple[Item, ...]
    organization_uuid: str
    cancel_at_period_end: bool
    trial_ends_at: datetime | None
    started_at: datetime
    ended_at: datetime | None
    schedule_id: str = ""
    has_discount: bool = False


class Subscriptions(Client):
    """Calls about subscriptions."""

    def subscribe(
        self,
        *,
        customer_id: str,
        organization_uuid: str,
        price_ids: Sequence[str],
        trial_days: int | None,
    ) -> Subscription:
        """Create a subscription without a checkout, as staff do for a customer."""
        parameters: Any = {
            "customer": customer_id,
            "items": [{"price": price} for price in price_ids],
            "metadata": {"organization": organization_uuid},
        }
        if trial_days:
            parameters["trial_period_days"] = trial_days
        return ask(lambda: self._client.v1.subscriptions.create(parameters), _subscription)

    def subscription(self, subscription_id: str) -> Subscription:
        """Return a subscription as it is now."""
        return ask(lambda: self._client.v1.subscriptions.retrieve(subscription_id), _subscription)

    def subscriptions_of(self, customer_id: str) -> list[Subscription]:
        """Return every subscription that a customer ever had, newest first."""
        parameters: Any = {"customer": customer_id, "status": "all", "limit": PAGE}
        return ask_all(lambda: self._client.v1.subscriptions.list(parameters), _subscription)

    def subscriptions_at(self, price_id: str) -> list[Subscription]:
        """Return the subscriptions that hold a price and are not canceled, newest first."""
        parameters: Any = {"price": price_id, "limit": PAGE}
        return ask_all(lambda: self._client.v1.subscriptions.list(parameters), _subscription)

    def set_cancel_at_period_end(self, subscription_id: str, *, cancel: bool) -> Subscription:
        """Let a subscription end with its period, or take that back."""
        return ask(
            lambda: self._client.v1.subscriptions.update(
                subscription_id, {"cancel_at_period_end": cancel}
            ),
            _subscription,
        )

    def extend_trial(self, subscription_id: str, *, until: datetime) -> Subscription:
        """Let a trial end at another instant; nothing is charged for it, and nothing prorated."""
        parameters: Any = {"trial_end": seconds(until), "proration_behavior": "none"}
        return ask(
            lambda: self._client.v1.subscriptions.update(subscription_id, parameters),
            _subscription,
        )

    def cancel_subscription(self, subscription_id: str, *, invoice_now: bool) -> Subscription:
        """End a subscription at once.

        Without `invoice_now` Stripe drops the usage since the last invoice. Never prorated: what
        is billed is usage, in arrears.
        """
        return ask(
            lambda: self._client.v1.subscriptions.cancel(
                subscription_id, {"invoice_now": invoice_now, "prorate": False}
            ),
            _subscription,
        )


def _subscription(found: Any) -> Subscription:
    # dj-stripe gives StripeObject a method called items, so the field needs its brackets.
    items = tuple(
        Item(
            id=item.id,
            price_id=item.price.id,
            product_id=reference(item.price.product),
            starts_at=instant(item.current_period_start),
            ends_at=instant(item.current_period_end),
            meter_id=(item.price.recurring and item.price.recurring.meter) or "",
        )
        for item in found["items"].auto_paging_iter()
    )
    return Subscription(
        id=found.id,
        customer_id=reference(found.customer),
        status=found.status,
        items=items,
        organization_uuid=metadata(found).get("organization", ""),
        cancel_at_period_end=bool(found.cancel_at_period_end),
        trial_ends_at=instant_or_none(found.trial_end),
        started_at=instant(found.start_date),
        ended_at=instant_or_none(found.ended_at),
        schedule_id=reference(found.schedule),
        has_discount=bool(found.discounts),
    )
