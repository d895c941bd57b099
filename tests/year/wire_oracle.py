"""The bill by the recorded traffic alone: what was posted, and what Stripe said it charges.

It reads requests and answers as they went over the wire and shares nothing with the system.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tests.machine.oracle import price_cents
from tests.stripe_sandbox.log import Recorded


@dataclass(frozen=True)
class Posted:
    """A value that took effect at Stripe."""

    timestamp: int
    number: int
    value: int


@dataclass(frozen=True)
class Charged:
    """What an invoice charges for a period: by its line, and by what was posted for that."""

    start: int
    end: int
    series: int
    amount_cents: int
    posted: int
    price_cents: int

    @property
    def agrees(self) -> bool:
        """Tell whether the line is what was posted, at its price."""
        return (self.series, self.amount_cents) == (self.posted, self.price_cents)


def charged(traffic: Iterable[Recorded], *, customer: str, trials: set[int]) -> list[Charged]:
    """Return what was charged to a customer, oldest first; periods from `trials` cost nothing.

    An event that Stripe accepted and lost is not among what was posted: the one that was sent
    again in its place is.
    """
    recorded = list(traffic)
    posts = [
        Posted(int(call.params["timestamp"]), call.number, int(call.params["payload"]["value"]))
        for call in recorded
        if call.path == "/v1/billing/meter_events"
        and call.applied
        and call.fault != "accepted_and_lost"
        and call.params["payload"]["stripe_customer_id"] == customer
    ]
    found = []
    for line in _lines(recorded, customer=customer):
        start, end = line["period"]["start"], line["period"]["end"]
        last = max(
            (post for post in posts if start <= post.timestamp < end),
            key=lambda post: (post.timestamp, post.number),
            default=Posted(0, 0, 0),
        )
        in_trial = start in trials
        found.append(
            Charged(
                start=start,
                end=end,
                series=line["quantity"] or 0,
                amount_cents=line["amount"],
                posted=0 if in_trial else last.value,
                price_cents=0 if in_trial else price_cents(last.value),
            )
        )
    return sorted(found, key=lambda charge: charge.start)


def failures(traffic: Iterable[Recorded]) -> float:
    """Return the share of the calls that met a fault."""
    calls = list(traffic)
    return sum(call.fault is not None for call in calls) / len(calls)


def _lines(recorded: list[Recorded], *, customer: str) -> Iterable[dict[str, Any]]:
    """Return the metered lines of the customer's final invoices, as last answered."""
    invoices: dict[str, dict[str, Any]] = {}
    for call in recorded:
        for invoice in _invoices(call.response):
            if invoice["customer"] == customer and invoice["status"] in ("open", "paid"):
                invoices[invoice["id"]] = invoice
    for invoice in invoices.values():
        if invoice["billing_reason"] != "subscription_create":
            yield from invoice["lines"]["data"]


def _invoices(answer: dict[str, Any]) -> list[dict[str, Any]]:
    if answer.get("object") == "invoice" and "id" in answer:
        return [answer]
    if answer.get("object") == "list":
        return [found for found in answer["data"] if found.get("object") == "invoice"]
    return []
