"""Meters: posting usage, and asking what is held."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from billing.gateway.client import PAGE, Client, ask, ask_all
from billing.gateway.errors import Answer
from billing.gateway.reading import identity, nothing, seconds

Formula = Literal["count", "last", "sum"]


@dataclass(frozen=True, slots=True)
class Meter:
    """What usage is counted on; one per event name."""

    id: str
    event_name: str
    display_name: str
    formula: str
    active: bool
    window: str
    customer_key: str
    value_key: str


class Meters(Client):
    """Calls about meters."""

    def meters(self) -> list[Meter]:
        """Return every meter of the account, deactivated ones too."""
        return ask_all(lambda: self._client.v1.billing.meters.list({"limit": PAGE}), _meter)

    def create_meter(
        self, *, event_name: str, display_name: str, formula: Formula, idempotency_key: str
    ) -> str:
        """Create a meter and return its id; only its display name can be changed afterwards."""
        parameters: Any = {
            "display_name": display_name,
            "event_name": event_name,
            "default_aggregation": {"formula": formula},
            "customer_mapping": {"type": "by_id", "event_payload_key": "stripe_customer_id"},
            "value_settings": {"event_payload_key": "value"},
        }
        return ask(
            lambda: self._client.v1.billing.meters.create(
                parameters, {"idempotency_key": idempotency_key}
            ),
            identity,
        )

    def reactivate_meter(self, meter_id: str) -> None:
        """Let an archived meter take events again; another of its name can't be made."""
        ask(lambda: self._client.v1.billing.meters.reactivate(meter_id), nothing)

    def post_meter_event(
        self, *, event_name: str, customer_id: str, value: int, timestamp: datetime, identifier: str
    ) -> Answer:
        """Post one meter event, once; the sender keeps the retries. Returns Stripe's answer.

        Whether values add up or the last one counts is the meter's affair. On a meter that adds
        up, an event may be posted again for a day only: then Stripe forgets its identifier.
        """
        return ask(
            lambda: self._once.v1.billing.meter_events.create(
                {
                    "event_name": event_name,
                    "identifier": identifier,
                    "timestamp": seconds(timestamp),
                    "payload": {"stripe_customer_id": customer_id, "value": str(value)},
                }
            ),
            lambda sent: {"status": 200, "identifier": sent.identifier, "created": sent.created},
        )

    def summary(
        self, *, meter_id: str, customer_id: str, starts_at: datetime, ends_at: datetime
    ) -> int:
        """Return what a meter holds for a customer between two whole minutes."""
        parameters: Any = {
            "customer": customer_id,
            "start_time": seconds(starts_at),
            "end_time": seconds(ends_at),
        }
        return ask(
            lambda: self._client.v1.billing.meters.event_summaries.list(meter_id, parameters),
            lambda listed: int(listed.data[0].aggregated_value) if listed.data else 0,
        )


def _meter(found: Any) -> Meter:
    return Meter(
        id=found.id,
        event_name=found.event_name,
        display_name=found.display_name,
        formula=found.default_aggregation.formula,
        active=found.status == "active",
        window=found.event_time_window or "",
        customer_key=found.customer_mapping.event_payload_key,
        value_key=found.value_settings.event_payload_key,
    )
