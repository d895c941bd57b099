"""Invoice previews: what a subscription would be billed, kept nowhere.

For a running subscription it is the invoice of the current period with the usage so far, also as
if its items were changed now. For items
that nobody has subscribed to yet, `preview_mode=recurring` prices one period without usage (this
shows what the flat fee does at zero), and the default, the first invoice, which bills no usage.
"""

from collections import defaultdict
from typing import Any

from tests.stripe_sandbox import cycles, invoice_lines, invoicing, rendering, subscriptions
from tests.stripe_sandbox.errors import ApiError, absent
from tests.stripe_sandbox.parameters import boolean, mapping, sequence, text
from tests.stripe_sandbox.routing import Call, Route
from tests.stripe_sandbox.state import Json, State, new_id
from tests.stripe_sandbox.world import World


def _create(call: Call) -> Json:
    world, params = call.world, call.params
    details = params.get("subscription_details", {})
    if "subscription" in params:
        subscription = world.refer("subscription", params["subscription"], "subscription")
        if subscription["ended_at"]:
            raise ApiError("The subscription has ended.", code="invoice_upcoming_none")
        if "items" in details:
            world, subscription = _imagine_change(world, subscription, details)
        lines = _next(world, subscription, cancel_now=details.get("cancel_now", False))
    elif "items" in details:
        world, subscription = _imagine(world, params, details)
        recurring = params.get("preview_mode") == "recurring"
        kind = "cycle" if recurring else "first"
        span = cycles.period(world, subscription)
        lines = [
            invoice_lines.build(world.state, item, start=span[0], end=span[1], kind=kind)
            for item in cycles.items(world, subscription)
        ]
    else:
        raise ApiError(
            "You must pass a subscription, or subscription_details[items].",
            code="parameter_missing",
            param="subscription",
        )
    start, end = cycles.period(world, subscription)
    preview = invoicing.document(
        world, subscription, lines, reason="upcoming", start=start, end=end
    )
    preview["id"] = new_id("upcoming_in_")
    for line in lines:
        line["invoice"] = preview["id"]
    return world.render(preview)


def _next(world: World, subscription: Json, *, cancel_now: bool) -> list[Json]:
    start, end = cycles.period(world, subscription)
    end = min(end, world.now) if cancel_now else end
    free = subscription["status"] == "trialing"
    lines = [
        invoice_lines.build(
            world.state, item, start=max(start, item.get("_since", 0)), end=end, free=free
        )
        for item in cycles.items(world, subscription)
    ]
    return [*subscription.get("_pending", []), *lines]


def _imagine_change(
    world: World, subscription: Json, details: dict[str, Any]
) -> tuple[World, Json]:
    """Change a subscription's items in a copy of the world that is then forgotten."""
    name = "subscription_details[items]"
    wanted = subscriptions.changed_items(world, subscription, details["items"], name)
    elsewhere = _copy(world)
    tables = elsewhere.state.tables
    copied = tables["subscription"][subscription["id"]] = rendering.plain_copy(subscription)
    for item in subscription["_items"]:
        original = world.state.tables["subscription_item"][item]
        tables["subscription_item"][item] = rendering.plain_copy(original)
    proration = details.get("proration_behavior", "create_prorations")
    if proration == "always_invoice":
        proration = "create_prorations"
    cycles.change_items(elsewhere, copied, wanted, proration=proration)
    return elsewhere, copied


def _copy(world: World) -> World:
    """Return a world with the same prices, customers and usage, in which nothing has happened."""
    apart = State(usage=world.state.usage)
    tables = ("customer", "price", "product", "payment_method", "billing.meter")
    for table in (*tables, "billing.credit_grant"):
        apart.tables[table] = dict(world.state.tables[table])
    return World(state=apart, now=world.now, switches=world.switches, url=world.url)


def _imagine(world: World, params: dict[str, Any], details: dict[str, Any]) -> tuple[World, Json]:
    """Start the subscription in a copy of the world that is then forgotten."""
    if "customer" not in params:
        raise absent("customer")
    customer = world.refer("customer", params["customer"], "customer")["id"]
    name = "subscription_details[items]"
    for position, item in enumerate(details["items"]):
        if "price" not in item:
            param = f"{name}[{position}][price]"
            raise absent(param)
    chosen = subscriptions.check_items(world, details["items"], name)
    elsewhere = _copy(world)
    # Usage of what nobody has subscribed to is none.
    elsewhere.state.usage = defaultdict(list)
    known = elsewhere.state.tables["customer"]
    known[customer] = rendering.plain_copy(known[customer])
    elsewhere.state.tables["billing.credit_grant"] = {}
    return elsewhere, cycles.start(elsewhere, cycles.Order(customer=customer, items=chosen))


ROUTES = [
    Route(
        "POST",
        "/v1/invoices/create_preview",
        _create,
        {
            "customer": text(),
            "preview_mode": text(choices=("next", "recurring")),
            "subscription": text(),
            "subscription_details": mapping(
                {
                    "cancel_at_period_end": boolean(),
                    "cancel_now": boolean(),
                    "items": sequence(subscriptions.ITEM_CHANGE),
                    "proration_behavior": subscriptions.PRORATION,
                }
            ),
        },
    ),
]
