"""Stripe's hosted checkout."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from billing.gateway.client import PAGE, Client, ask, ask_all
from billing.gateway.reading import nothing, reference


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
        price_ids: Sequence[str],
        trial_days: int | None,
        success_url: str,
        cancel_url: str,
        terms: bool = False,
    ) -> CheckoutSession:
        """Open a hosted checkout for a subscription; metered items carry no quantity.

        With `terms` the customer must agree to the terms of service, whose address has to be set
        in Stripe's dashboard, else Stripe refuses.
        """
        subscription: dict[str, Any] = {"metadata": {"organization": organization_uuid}}
        if trial_days:
            subscription["trial_period_days"] = trial_days
        parameters: Any = {
            "mode": "subscription",
            "customer": customer_id,
            "client_reference_id": organization_uuid,
            "line_items": [{"price": price} for price in price_ids],
            "subscription_data": subscription,
            "success_url": success_url,
            "cancel_url": cancel_url,
        }
        if terms:
            parameters["consent_collection"] = {"terms_of_service": "required"}
        return ask(lambda: self._client.v1.checkout.sessions.create(parameters), _checkout)

    def checkout(self, session_id: str) -> CheckoutSession:
        """Return a checkout as it is now."""
        return ask(lambda: self._client.v1.checkout.sessions.retrieve(session_id), _checkout)

    def checkouts_of(self, customer_id: str, *, status: str | None = None) -> list[CheckoutSession]:
        """Return a customer's checkouts, newest first: all, or those open, complete or expired."""
        parameters: Any = {"customer": customer_id, "limit": PAGE}
        if status:
            parameters["status"] = status
        return ask_all(lambda: self._client.v1.checkout.sessions.list(parameters), _checkout)

    def expire_checkout(self, session_id: str) -> None:
        """Expire an open checkout, so that nobody can complete it any more.

        Stripe refuses where it is open no more, as when it was completed in this moment.
        """
        ask(lambda: self._client.v1.checkout.sessions.expire(session_id), nothing)


def _checkout(found: Any) -> CheckoutSession:
    return CheckoutSession(
        id=found.id,
        url=found.url or "",
        status=found.status,
        customer_id=reference(found.customer),
        organization_uuid=found.client_reference_id or "",
        subscription_id=reference(found.subscription),
    )
