"""Asking Stripe what a meter holds for a period."""

from dataclasses import dataclass, field
from datetime import datetime

from billing import gateway, minutes


@dataclass(slots=True)
class Readings:
    """Stripe's summaries of whole periods; which meter a price is billed by is asked once."""

    _meters: dict[str, str] = field(default_factory=dict)

    def held(
        self, *, price_id: str, customer_id: str, starts_at: datetime, ends_at: datetime
    ) -> int:
        """Return what the meter holds in the whole minutes of a period, which is the period.

        No event lies in a minute that contains a bound (design rule 14). Raises GatewayError and
        NotConfiguredError.
        """
        stripe = gateway.connect()
        if price_id not in self._meters:
            self._meters[price_id] = stripe.price(price_id).meter_id
        return stripe.summary(
            meter_id=self._meters[price_id],
            customer_id=customer_id,
            starts_at=minutes.first_instant(starts_at) - minutes.MINUTE,
            ends_at=minutes.last_minute(ends_at) + minutes.MINUTE,
        )
