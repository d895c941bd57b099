"""What Stripe tells us: where it sends events, and reading a thin one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import stripe

from billing.gateway.client import PAGE, Client, ask, ask_all
from billing.gateway.errors import ForgedError, RefusedError
from billing.gateway.reading import metadata, nothing


@dataclass(frozen=True, slots=True)
class WebhookEndpoint:
    """Where Stripe sends whole events; `secret` only when it was just created."""

    id: str
    url: str
    enabled: bool
    enabled_events: frozenset[str]
    api_version: str
    metadata: Mapping[str, str]
    secret: str = ""


@dataclass(frozen=True, slots=True)
class EventDestination:
    """Where Stripe sends thin events; `secret` only when it was just created."""

    id: str
    url: str
    enabled: bool
    enabled_events: frozenset[str]
    thin: bool
    metadata: Mapping[str, str]
    secret: str = ""


@dataclass(frozen=True, slots=True)
class ThinEvent:
    """A notification that names an event and what it is about, without the details."""

    id: str
    type: str
    created_at: str
    object_id: str


@dataclass(frozen=True, slots=True)
class SampleError:
    """One of the meter events that Stripe could not use, as an example."""

    message: str
    identifier: str


@dataclass(frozen=True, slots=True)
class MeterErrorCount:
    """How many meter events failed in one way, with a few of them."""

    code: str
    count: int
    samples: tuple[SampleError, ...]


@dataclass(frozen=True, slots=True)
class MeterErrorReport:
    """What a meter could not use in a stretch of time; the instants are RFC 3339, as sent."""

    id: str
    type: str
    meter_id: str
    summary: str
    starts_at: str
    ends_at: str
    count: int
    errors: tuple[MeterErrorCount, ...]


class Webhooks(Client):
    """Calls about webhook endpoints, event destinations and thin events."""

    def webhook_endpoints(self) -> list[WebhookEndpoint]:
        """Return every webhook endpoint of the account, without their secrets."""
        return ask_all(
            lambda: self._client.v1.webhook_endpoints.list({"limit": PAGE}), _webhook_endpoint
        )

    def create_webhook_endpoint(
        self,
        *,
        url: str,
        enabled_events: Sequence[str],
        api_version: str,
        marks: Mapping[str, str],
        idempotency_key: str,
    ) -> WebhookEndpoint:
        """Create an endpoint for whole events; this answer alone carries its secret."""
        parameters: Any = {
            "url": url,
            "enabled_events": list(enabled_events),
            "api_version": api_version,
            "metadata": dict(marks),
        }
        return ask(
            lambda: self._client.v1.webhook_endpoints.create(
                parameters, {"idempotency_key": idempotency_key}
            ),
            _webhook_endpoint,
        )

    def update_webhook_endpoint(self, endpoint_id: str, *, enabled_events: Sequence[str]) -> None:
        """Let an endpoint receive exactly these events, and be enabled."""
        parameters: Any = {"enabled_events": list(enabled_events), "disabled": False}
        ask(
            lambda: self._client.v1.webhook_endpoints.update(endpoint_id, parameters),
            nothing,
        )

    def delete_webhook_endpoint(self, endpoint_id: str) -> None:
        """Delete an endpoint; Stripe sends it nothing more."""
        ask(lambda: self._client.v1.webhook_endpoints.delete(endpoint_id), nothing)

    def event_destinations(self) -> list[EventDestination]:
        """Return every event destination that is an address on the web, without their secrets."""
        parameters: Any = {"limit": PAGE, "include": ["webhook_endpoint.url"]}
        found = ask_all(
            lambda: self._client.v2.core.event_destinations.list(parameters), _destination
        )
        return [destination for destination in found if destination.url]

    def create_event_destination(
        self,
        *,
        name: str,
        url: str,
        enabled_events: Sequence[str],
        marks: Mapping[str, str],
        idempotency_key: str,
    ) -> EventDestination:
        """Create a destination for thin events; this answer alone carries its secret."""
        parameters: Any = {
            "name": name,
            "type": "webhook_endpoint",
            "event_payload": "thin",
            "enabled_events": list(enabled_events),
            "webhook_endpoint": {"url": url},
            "metadata": dict(marks),
            "include": ["webhook_endpoint.signing_secret", "webhook_endpoint.url"],
        }
        return ask(
            lambda: self._client.v2.core.event_destinations.create(
                parameters, {"idempotency_key": idempotency_key}
            ),
            _destination,
        )

    def update_event_destination(
        self, destination_id: str, *, enabled_events: Sequence[str]
    ) -> None:
        """Let a destination receive exactly these events, and be enabled."""
        parameters: Any = {"enabled_events": list(enabled_events)}
        destination = ask(
            lambda: self._client.v2.core.event_destinations.update(destination_id, parameters),
            _destination,
        )
        if not destination.enabled:
            ask(
                lambda: self._client.v2.core.event_destinations.enable(destination_id),
                nothing,
            )

    def parse_thin_event(self, body: bytes, *, signature: str, secret: str) -> ThinEvent:
        """Return what a thin event says. Raises ForgedError unless Stripe signed it just now."""
        try:
            notification = self._client.parse_event_notification(body, signature, secret)
        except (stripe.SignatureVerificationError, ValueError, KeyError) as error:
            raise ForgedError("The event is not signed by Stripe, or is too old.") from error
        return ask(lambda: notification, _thin_event)

    def meter_error_report(self, event_id: str) -> MeterErrorReport:
        """Return the details of a thin event about a meter, or about a meter that is missing.

        Raises RefusedError for an event of another kind.
        """
        report = ask(
            lambda: self._client.v2.core.events.retrieve(event_id),
            lambda found: _error_report(found) if ".billing.meter." in found.type else None,
        )
        if report is None:
            raise RefusedError(f"Event {event_id} is not about a meter.", {"status": 200})
        return report


def _webhook_endpoint(found: Any) -> WebhookEndpoint:
    return WebhookEndpoint(
        id=found.id,
        url=found.url,
        enabled=found.status == "enabled",
        enabled_events=frozenset(found.enabled_events),
        api_version=found.api_version or "",
        metadata=metadata(found),
        secret=getattr(found, "secret", None) or "",
    )


def _destination(found: Any) -> EventDestination:
    # Present for an address on the web only, and its fields only where they were asked for.
    address = getattr(found, "webhook_endpoint", None)
    return EventDestination(
        id=found.id,
        url=getattr(address, "url", None) or "",
        enabled=found.status == "enabled",
        enabled_events=frozenset(found.enabled_events),
        thin=found.event_payload == "thin",
        metadata=metadata(found),
        secret=getattr(address, "signing_secret", None) or "",
    )


def _thin_event(found: Any) -> ThinEvent:
    # An event about a meter that does not exist names no object.
    about = getattr(found, "related_object", None)
    return ThinEvent(
        id=found.id,
        type=found.type,
        created_at=str(found.created),
        object_id=about.id if about else "",
    )


def _error_report(found: Any) -> MeterErrorReport:
    about = getattr(found, "related_object", None)
    data = found.data
    return MeterErrorReport(
        id=found.id,
        type=found.type,
        meter_id=about.id if about else "",
        summary=data.developer_message_summary,
        starts_at=str(data.validation_start),
        ends_at=str(data.validation_end),
        count=data.reason.error_count,
        errors=tuple(_error_count(kind) for kind in data.reason.error_types),
    )


def _error_count(found: Any) -> MeterErrorCount:
    # StripeObject has a method called request, so the field needs its brackets.
    return MeterErrorCount(
        code=found.code,
        count=found.error_count,
        samples=tuple(
            SampleError(message=sample.error_message, identifier=sample["request"].identifier)
            for sample in found.sample_errors
        ),
    )
