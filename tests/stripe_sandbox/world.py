"""What a request or a transition works on: the state at one instant, and the events it causes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.stripe_sandbox import rendering
from tests.stripe_sandbox.errors import ApiError, missing
from tests.stripe_sandbox.state import RUNNING, Json, State, new_id

API_VERSION = "2026-08-26.dahlia"
NOUNS = {
    "billing.credit_grant": "credit grant",
    "billing.meter": "meter",
    "billing_portal.configuration": "configuration",
    "checkout.session": "checkout session",
    "v2.core.event": "event",
    "v2.core.event_destination": "event destination",
}


@dataclass(slots=True)
class Switches:
    """Behavior that Stripe does not document, or that a test wants otherwise.

    The defaults are what Stripe seems to do; money must come out right under all of the first
    group, except for `flat_fee_at_zero`, which decides what a quiet period costs.
    """

    # Which event of a span a `last` meter takes: that of the latest `timestamp`, or of the latest
    # `receipt`.
    last_by: str = "timestamp"
    # Which of several events of the same second it takes: the `last` received, or the `first`.
    ties: str = "last"
    # Seconds until summaries, previews, drafts and final invoices see an accepted event.
    aggregation_lag_seconds: int = 0
    # Whether a draft shows the usage so far (`live`), or that at its creation until it is
    # finalized (`finalization`).
    drafts_refreshed: str = "live"
    # Whether a tiered price charges its first tier's flat fee when nothing was used.
    flat_fee_at_zero: bool = True
    # Whether the invoice after a cancellation waits as a `draft`, or is final at once
    # (`immediate`).
    final_invoice: str = "draft"
    # Whether a metered item that a schedule's next phase drops is billed for the ended period.
    phase_bills_ended_period: bool = True

    # How long an invoice of a period stays a draft.
    draft_seconds: int = 3600
    # Days after each failed attempt until the next, and what becomes of the subscription when the
    # last one failed: `cancel`, `unpaid` or `past_due` (it stays so). Both are account settings.
    retry_days: tuple[int, ...] = (3, 5, 7)
    after_retries: str = "cancel"
    # Seconds until errors found after a meter event was accepted are reported.
    error_report_seconds: int = 60
    # Checks of meter events that happen only after the event was accepted, by their error codes.
    late_checks: frozenset[str] = frozenset({"meter_event_customer_not_found"})
    # Seconds until the search finds what was created.
    search_lag_seconds: int = 60

    # Calls in a real second above which the rest is refused: meter events, and all others (at
    # Stripe 100 live and 25 in test mode). 0 is no limit.
    meter_events_per_second: int = 1000
    calls_per_second: int = 0
    # Real seconds that each meter event is in flight, so that two calls can overlap.
    meter_event_latency: float = 0.0
    # Real seconds before a connection without an answer is closed, and before a slow answer.
    timeout_seconds: float = 0.0
    slow_seconds: float = 0.01
    # Real seconds before the second and the third attempt at a webhook.
    webhook_backoff: tuple[float, ...] = (0.1, 0.5)


@dataclass(slots=True)
class World:
    """One unit of work; whoever holds it holds the sandbox's lock."""

    state: State
    now: int
    switches: Switches
    url: str
    request_id: str | None = None
    idempotency_key: str | None = None
    # A fault of this call: the meter event is accepted, and never aggregated.
    loses: bool = False

    def add(self, stored: Json, event: str | None = None) -> Json:
        """Keep a new object and announce it."""
        self.state.tables[stored["object"]][stored["id"]] = stored
        if stored["object"] in RUNNING:
            self.state.running[stored["id"]] = stored
        if event:
            self.emit(event, stored)
        return stored

    def find(self, table: str, identifier: str) -> Json:
        """Return the object that a path names, or refuse with 404."""
        found = self.state.tables[table].get(identifier)
        if found is None:
            raise missing(NOUNS.get(table, table.replace("_", " ")), identifier, "id")
        return found

    def refer(self, table: str, identifier: str, param: str) -> Json:
        """Return the object that a parameter names, or refuse with 400; deleted ones are gone."""
        found = self.state.tables[table].get(identifier)
        if found is None or found.get("deleted"):
            refusal = missing(NOUNS.get(table, table.replace("_", " ")), identifier, param)
            refusal.status = 400
            raise refusal
        return found

    def newest_first(self, table: str) -> list[Json]:
        """Return a table in the order of Stripe's lists."""
        return list(reversed(self.state.tables[table].values()))

    def render(self, stored: Json) -> Json:
        """Return the object as the API shows it."""
        return rendering.render(self, stored)

    @contextmanager
    def changing(self, stored: Json, event: str) -> Iterator[None]:
        """Announce what the block changes, with the previous values; nothing if it changed none."""
        before = self.render(stored)
        yield
        after = self.render(stored)
        if previous := difference(before, after):
            self.emit(event, stored, previous=previous)

    def emit(self, kind: str, stored: Json, *, previous: Json | None = None) -> None:
        """Record an event with a snapshot of the object and queue it for the endpoints."""
        data: Json = {"object": self.render(stored)}
        if previous is not None:
            data["previous_attributes"] = previous
        event: Json = {
            "id": new_id("evt_"),
            "object": "event",
            "api_version": API_VERSION,
            "created": self.now,
            "data": data,
            "livemode": False,
            "pending_webhooks": 0,
            "request": {"id": self.request_id, "idempotency_key": self.idempotency_key},
            "type": kind,
        }
        self.add(event)
        for endpoint in self.state.tables["webhook_endpoint"].values():
            wanted = endpoint["enabled_events"]
            if endpoint["status"] == "enabled" and (kind in wanted or "*" in wanted):
                self.state.undelivered.append((event["id"], endpoint["id"]))
                event["pending_webhooks"] += 1

    def emit_thin(self, kind: str, related: Json | None, data: Json) -> Json:
        """Record a thin event and queue it for the event destinations that want it."""
        event: Json = {
            "id": new_id("evt_test_", 24),
            "object": "v2.core.event",
            "_created": self.now,
            "changes": None,
            "context": None,
            "created": rfc3339(self.now),
            "data": data,
            "livemode": False,
            "reason": None,
            "related_object": related,
            "type": kind,
        }
        self.add(event)
        for destination in self.state.tables["v2.core.event_destination"].values():
            if destination["status"] == "enabled" and kind in destination["enabled_events"]:
                self.state.undelivered.append((event["id"], destination["id"]))
        return event


def rfc3339(instant: int) -> str:
    """Return an instant as version 2 of the API writes it."""
    return f"{datetime.fromtimestamp(instant, UTC):%Y-%m-%dT%H:%M:%S.000Z}"


def difference(before: Json, after: Json) -> Json:
    """Return the former values of what changed, nested objects reduced to what changed in them."""
    changed: Json = {}
    for key in before.keys() | after.keys():
        old, new = before.get(key), after.get(key)
        if old == new:
            continue
        both = isinstance(old, dict) and isinstance(new, dict)
        changed[key] = difference(old, new) if both and old and new else old
    return changed


def merge_metadata(stored: Json, given: dict[str, Any] | None) -> None:
    """Set, keep and (with empty strings) remove keys; an empty mapping clears all."""
    if given is None:
        return
    if not given:
        stored["metadata"] = {}
        return
    for key, value in given.items():
        if value == "":
            stored["metadata"].pop(key, None)
        else:
            stored["metadata"][key] = value
    if len(stored["metadata"]) > 50:
        raise ApiError("Metadata can only contain up to 50 keys.", param="metadata")
