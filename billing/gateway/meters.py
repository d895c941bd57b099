"""Meters: posting usage, and asking what is held."""

from datetime import datetime

from billing.gateway.client import Client, ask
from billing.gateway.errors import Answer


class Meters(Client):
    """Calls about meters."""

    def post_meter_event(
        self, *, event_name: str, customer_id: str, value: int, timestamp: datetime, identifier: str
    ) -> Answer:
        """Post one meter event, once; the sender keeps the retries. Returns Stripe's answer."""
        sent = ask(
            lambda: self._once.v1.billing.meter_events.create(
                {
                    "event_name": event_name,
                    "identifier": identifier,
                    "timestamp": int(timestamp.timestamp()),
                    "payload": {"stripe_customer_id": customer_id, "value": str(value)},
                }
            )
        )
        return {"status": 200, "identifier": sent.identifier, "created": sent.created}

    def summary(
        self, *, meter_id: str, customer_id: str, starts_at: datetime, ends_at: datetime
    ) -> int:
        """Return what a meter holds for a customer between two whole minutes."""
        listed = ask(
            lambda: self._client.v1.billing.meters.event_summaries.list(
                meter_id,
                {
                    "customer": customer_id,
                    "start_time": int(starts_at.timestamp()),
                    "end_time": int(ends_at.timestamp()),
                },
            )
        )
        return int(listed.data[0].aggregated_value) if listed.data else 0
