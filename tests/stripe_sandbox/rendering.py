"""From what is stored to what the API shows: embedded lists, hidden members, live drafts."""

import copy
from typing import Any

from tests.stripe_sandbox import invoice_lines
from tests.stripe_sandbox.state import Json, State

HIDDEN = {"price": ("tiers", "currency_options"), "webhook_endpoint": ("secret",)}


def render(state: State, stored: Json, flat_fee_at_zero: bool, url: str) -> Json:
    """Return a copy of the object as Stripe shows it when nothing is expanded."""
    kind = stored["object"]
    if kind == "invoice" and stored["status"] == "draft":
        invoice_lines.recompute(state, stored, flat_fee_at_zero=flat_fee_at_zero)
    hidden = HIDDEN.get(kind, ())
    shown = {
        key: copy.deepcopy(value)
        for key, value in stored.items()
        if not key.startswith("_") and key not in hidden
    }
    if kind == "subscription":
        items = [
            _subscription_item(state, state.tables["subscription_item"][item], flat_fee_at_zero)
            for item in stored["_items"]
        ]
        shown["items"] = as_list(items, f"/v1/subscription_items?subscription={stored['id']}")
    elif kind == "subscription_item":
        shown = _subscription_item(state, stored, flat_fee_at_zero)
    elif kind == "invoice":
        lines = [_public(line) for line in stored["lines"]]
        shown["lines"] = as_list(lines, f"/v1/invoices/{stored['id']}/lines")
    elif kind == "checkout.session":
        shown["url"] = f"{url}/c/pay/{stored['id']}" if stored["status"] == "open" else None
    return shown


def as_list(data: list[Json], url: str) -> Json:
    """Return a whole list object, as it is embedded in other objects."""
    return {
        "object": "list",
        "data": data,
        "has_more": False,
        "total_count": len(data),
        "url": url,
    }


def _public(line: Json) -> Json:
    return {key: copy.deepcopy(value) for key, value in line.items() if not key.startswith("_")}


def _subscription_item(state: State, stored: Json, flat_fee_at_zero: bool) -> Json:
    price = render(state, state.tables["price"][stored["price"]], flat_fee_at_zero, "")
    shown = _public(stored) | {"price": price, "plan": _plan(price)}
    if price["recurring"]["usage_type"] == "metered":
        shown.pop("quantity", None)
    return shown


def _plan(price: Json) -> Json:
    """Return the legacy twin of a price, which items still carry."""
    recurring: dict[str, Any] = price["recurring"]
    return {
        "id": price["id"],
        "object": "plan",
        "active": price["active"],
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "billing_scheme": price["billing_scheme"],
        "created": price["created"],
        "currency": price["currency"],
        "interval": recurring["interval"],
        "interval_count": recurring["interval_count"],
        "livemode": False,
        "metadata": price["metadata"],
        "meter": recurring["meter"],
        "nickname": price["nickname"],
        "product": price["product"],
        "tiers_mode": price["tiers_mode"],
        "transform_usage": None,
        "trial_period_days": None,
        "usage_type": recurring["usage_type"],
    }
