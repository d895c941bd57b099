"""From what is stored to what the API shows: embedded lists, hidden members, live drafts."""

from typing import TYPE_CHECKING, Any

from tests.stripe_sandbox import invoice_lines
from tests.stripe_sandbox.state import Json

if TYPE_CHECKING:
    from tests.stripe_sandbox.world import World

HIDDEN = {"price": ("tiers", "currency_options"), "webhook_endpoint": ("secret",)}


def render(world: "World", stored: Json) -> Json:
    """Return a copy of the object as Stripe shows it when nothing is expanded."""
    kind = stored["object"]
    refreshed = world.switches.drafts_refreshed == "live"
    if kind == "invoice" and stored["status"] == "draft" and refreshed:
        invoice_lines.recompute(world, stored)
    hidden = HIDDEN.get(kind, ())
    shown = {
        key: plain_copy(value)
        for key, value in stored.items()
        if not key.startswith("_") and key not in hidden
    }
    if kind == "subscription":
        items = [
            _subscription_item(world, world.state.tables["subscription_item"][item])
            for item in stored["_items"]
        ]
        shown["items"] = as_list(items, f"/v1/subscription_items?subscription={stored['id']}")
    elif kind == "subscription_item":
        shown = _subscription_item(world, stored)
    elif kind == "invoice":
        lines = [_public(line) for line in stored["lines"]]
        shown["lines"] = as_list(lines, f"/v1/invoices/{stored['id']}/lines")
    elif kind == "checkout.session":
        shown["url"] = f"{world.url}/c/pay/{stored['id']}" if stored["status"] == "open" else None
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


def plain_copy(value: Any) -> Any:
    """Return a deep copy of JSON data; several times as fast as `copy.deepcopy`."""
    if isinstance(value, dict):
        return {key: plain_copy(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [plain_copy(entry) for entry in value]
    return value


def _public(line: Json) -> Json:
    return {key: plain_copy(value) for key, value in line.items() if not key.startswith("_")}


def _subscription_item(world: "World", stored: Json) -> Json:
    price = render(world, world.state.tables["price"][stored["price"]])
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
