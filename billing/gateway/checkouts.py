"""Stripe's hosted checkout."""

from dataclasses import dataclass
from typing import Any

from billing.gateway.client import Client, ask
from billing.gateway.reading import reference


@dataclass(frozen=True, slots=True)
class CheckoutSession:
    """A hosted checkout."""

    id: str
    url: str
    status: str
    customer_id: str
    organization_uuid: str
    subscription_id: str


class Checkouts(Client):
    """Calls about checkouts."""

    def start_checkout(
        self,
        *,
        customer_id: str,
        organization_uuid: str,
        price_ids: list[str],
        trial_days: int | None,
        success_url: str,
        cancel_url: str,
    ) -> CheckoutSession:
        """Open a hosted checkout for a subscription; metered items carry no quantity."""
        subscription: dict[str, Any] = {"metadata": {"organization": organization_uuid}}
        if trial_days:
            subscription["trial_period_days"] = trial_days
        parameters: dict[str, Any] = {
            "mode": "subscription",
            "customer": customer_id,
            "client_reference_id": organization_uuid,
            "line_items": [{"price": price} for price in price_ids],
            "subscription_data": subscription,
            "success_url": success_url,
            "cancel_url": cancel_url,
        }
        created = ask(
            lambda: self._client.v1.checkout.sessions.create(parameters)  # type: ignore[arg-type]
        )
        return _checkout(created)

    def checkout(self, session_id: str) -> CheckoutSession:
        """Return a checkout as it is now."""
        return _checkout(ask(lambda: self._client.v1.checkout.sessions.retrieve(session_id)))

    def expire_checkout(self, session_id: str) -> None:
        """Expire an open checkout, so that nobody can complete it any more."""
        ask(lambda: self._client.v1.checkout.sessions.expire(session_id))


def _checkout(found: Any) -> CheckoutSession:
    return CheckoutSession(
        id=found.id,
        url=found.url or "",
        status=found.status,
        customer_id=reference(found.customer),
        organization_uuid=found.client_reference_id or "",
        subscription_id=reference(found.subscription),
    )
