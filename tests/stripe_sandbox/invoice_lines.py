"""Invoice lines: exactly one per subscription item.

Stripe may print the flat fee and the units of one tiered item as separate lines. The sandbox
always makes one line for the item: `quantity` is the whole usage, `amount` is what all tiers
together cost, and `pricing.unit_amount_decimal` is null because no single unit amount holds.
So the lines always add up to `invoice.total`, and the metered line carries the quantity.

The line of a metered item remembers the span of time it bills (`_usage`); while its invoice is a
draft the quantity is read again at every look, and finalizing drops the mark and so freezes it.
"""

from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

from tests.stripe_sandbox import credit_grants, pricing, usage
from tests.stripe_sandbox.state import Json, State, new_id

if TYPE_CHECKING:
    from tests.stripe_sandbox.world import World


def build(
    state: State, item: Json, *, start: int, end: int, free: bool = False, kind: str = "cycle"
) -> Json:
    """Return the line that bills an item for `[start, end)`.

    A metered item is billed afterwards for that span, except on the first invoice (`kind` is
    "first"), where nothing can have been used yet. A free line is that of a trial.
    """
    price = state.tables["price"][item["price"]]
    product = state.tables["product"][price["product"]]
    metered = price["recurring"]["usage_type"] == "metered"
    line: Json = {
        "id": new_id("il_"),
        "object": "line_item",
        "amount": 0,
        "currency": price["currency"],
        "description": f"Trial period for {product['name']}" if free else product["name"],
        "discount_amounts": [],
        "discountable": True,
        "discounts": [],
        "invoice": None,
        "livemode": False,
        "metadata": dict(item["metadata"]),
        "parent": _parent(item),
        "period": {"start": start, "end": end},
        "pretax_credit_amounts": [],
        "pricing": {
            "type": "price_details",
            "price_details": {"price": price["id"], "product": product["id"]},
            "unit_amount_decimal": price["unit_amount_decimal"],
        },
        "quantity": 0 if metered else item["quantity"],
        "subscription": item["subscription"],
        "subtotal": 0,
        "taxes": [],
    }
    if metered and not free and kind != "first":
        line["_usage"] = {"start": start, "end": end}
    elif not metered and not free:
        line["amount"] = line["subtotal"] = pricing.amount(
            price, item["quantity"], flat_fee_at_zero=False
        )
    return line


def prorate(state: State, item: Json, *, at: int, sign: int) -> Json:
    """Return the line that charges (or with `sign` -1 credits) the rest of a licensed period."""
    start, end = item["current_period_start"], item["current_period_end"]
    line = build(state, item, start=at, end=end)
    share = Decimal(line["amount"]) * (end - at) / (end - start)
    line["amount"] = line["subtotal"] = sign * int(share.quantize(Decimal(1), ROUND_HALF_UP))
    word = "Remaining time on" if sign > 0 else "Unused time on"
    line["description"] = f"{word} {line['quantity']} x {line['description']}"
    line["parent"]["subscription_item_details"]["proration"] = True
    return line


def item_of(line: Json) -> str:
    """Return the id of the subscription item that a line bills."""
    return str(line["parent"]["subscription_item_details"]["subscription_item"])


def recompute(world: "World", invoice: Json, *, final: bool = False) -> None:
    """Read the usage of a draft's metered lines again and bring its totals up to date.

    With `final` the credits and the balance that pay for a part of it are spent.
    """
    for line in invoice["lines"]:
        if "_usage" in line:
            _meter(world, invoice["customer"], line)
    subtotal = sum(line["amount"] for line in invoice["lines"])
    total = subtotal - credit_grants.cover(world, invoice, spend=final)
    invoice["subtotal"] = invoice["subtotal_excluding_tax"] = subtotal
    invoice["total"] = invoice["total_excluding_tax"] = total
    customer = world.state.tables["customer"][invoice["customer"]]
    invoice["starting_balance"] = customer["balance"]
    due = max(0, total + customer["balance"])
    invoice["amount_due"] = invoice["amount_remaining"] = due
    if final:
        customer["balance"] = min(0, customer["balance"] + total)
        invoice["ending_balance"] = customer["balance"]


def _meter(world: "World", customer: str, line: Json) -> None:
    state = world.state
    price = state.tables["price"][line["pricing"]["price_details"]["price"]]
    meter = state.tables["billing.meter"][price["recurring"]["meter"]]
    span = line["_usage"]
    used = usage.aggregate(world, meter, customer, start=span["start"], end=span["end"])
    # Corrections may be negative; what is billed never is.
    line["quantity"] = max(used, 0)
    line["amount"] = line["subtotal"] = pricing.amount(
        price, line["quantity"], flat_fee_at_zero=world.switches.flat_fee_at_zero
    )
    product = state.tables["product"][price["product"]]
    line["description"] = f"{line['quantity']} x {product['name']}"


def _parent(item: Json) -> Json:
    return {
        "type": "subscription_item_details",
        "invoice_item_details": None,
        "subscription_item_details": {
            "invoice_item": None,
            "proration": False,
            "proration_details": {"credited_items": None},
            "subscription": item["subscription"],
            "subscription_item": item["id"],
        },
    }
