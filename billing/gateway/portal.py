"""Stripe's customer portal, where customers change their card and see their invoices."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from billing.gateway.client import PAGE, Client, ask, ask_all
from billing.gateway.reading import identity, metadata, nothing


@dataclass(frozen=True, slots=True)
class PortalFeatures:
    """What a customer may do in the portal.

    `customer_update` has the details that may be changed, in alphabetical order, as Stripe names
    them: address, email, name, phone, shipping, tax_id.
    """

    plan_switching: bool
    payment_method_update: bool
    invoice_history: bool
    cancel_at_period_end: bool
    customer_update: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PortalConfiguration:
    """One set of what the portal allows."""

    id: str
    active: bool
    metadata: Mapping[str, str]
    features: PortalFeatures


class Portal(Client):
    """Calls about the portal."""

    def portal_url(self, *, customer_id: str, configuration_id: str, return_url: str) -> str:
        """Return the address of a portal session, for one customer and for a few minutes."""
        parameters: Any = {"customer": customer_id, "return_url": return_url}
        if configuration_id:
            parameters["configuration"] = configuration_id
        return ask(
            lambda: self._client.v1.billing_portal.sessions.create(parameters),
            lambda session: str(session.url),
        )

    def portal_configurations(self) -> list[PortalConfiguration]:
        """Return every configuration of the portal, deactivated ones too."""
        return ask_all(
            lambda: self._client.v1.billing_portal.configurations.list({"limit": PAGE}),
            _configuration,
        )

    def create_portal_configuration(
        self, features: PortalFeatures, *, marks: Mapping[str, str], idempotency_key: str
    ) -> str:
        """Create a configuration and return its id."""
        parameters: Any = {"features": _features(features), "metadata": dict(marks)}
        return ask(
            lambda: self._client.v1.billing_portal.configurations.create(
                parameters, {"idempotency_key": idempotency_key}
            ),
            identity,
        )

    def update_portal_configuration(self, configuration_id: str, features: PortalFeatures) -> None:
        """Let a configuration allow these features, and be active."""
        parameters: Any = {"features": _features(features), "active": True}
        ask(
            lambda: self._client.v1.billing_portal.configurations.update(
                configuration_id, parameters
            ),
            nothing,
        )


def _features(wanted: PortalFeatures) -> dict[str, Any]:
    cancel: dict[str, Any] = {"enabled": wanted.cancel_at_period_end}
    if wanted.cancel_at_period_end:
        cancel["mode"] = "at_period_end"
    return {
        "subscription_update": {"enabled": wanted.plan_switching},
        "payment_method_update": {"enabled": wanted.payment_method_update},
        "invoice_history": {"enabled": wanted.invoice_history},
        "subscription_cancel": cancel,
        "customer_update": _customer_update(wanted.customer_update),
    }


def _customer_update(details: tuple[str, ...]) -> dict[str, Any]:
    # Stripe wants at least one detail where any may be changed.
    return {"enabled": True, "allowed_updates": list(details)} if details else {"enabled": False}


def _configuration(found: Any) -> PortalConfiguration:
    features = found.features
    cancel = features.subscription_cancel
    update = features.customer_update
    return PortalConfiguration(
        id=found.id,
        active=bool(found.active),
        metadata=metadata(found),
        features=PortalFeatures(
            plan_switching=bool(features.subscription_update.enabled),
            payment_method_update=bool(features.payment_method_update.enabled),
            invoice_history=bool(features.invoice_history.enabled),
            cancel_at_period_end=bool(cancel.enabled) and cancel.mode == "at_period_end",
            customer_update=tuple(sorted(update.allowed_updates)) if update.enabled else (),
        ),
    )
