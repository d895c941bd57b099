"""Invoice previews: what a subscription would be billed, kept nowhere.

For a running subscription it is the invoice of the current period with the usage so far. For items
that nobody has subscribed to yet, `preview_mode=recurring` prices one period without usage (this
shows what the flat fee does at zero), and the default, the first invoice, which bills no usage.
"""

from typing import Any

from tests.stripe_sandbox import cycles, invoice_lines, invoicing, subscriptions
from tests.stripe_sandbox.errors import ApiError
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
    return [
        invoice_lines.build(world.state, item, start=start, end=end, free=free)
        for item in cycles.items(world, subscription)
    ]


def _imagine(world: World, params: dict[str, Any], details: dict[str, Any]) -> tuple[World, Json]:
    """Start the subscription in a copy of the world that is then forgotten."""
    if "customer" not in params:
        raise ApiError(
            "Missing required param: customer.", code="parameter_missing", param="customer"
        )
    customer = world.refer("customer", params["customer"], "customer")["id"]
    chosen = subscriptions.check_items(world, details["items"], "subscription_details[items]")
    apart = State()
    for table in ("customer", "price", "product", "payment_method", "billing.meter"):
        apart.tables[table] = dict(world.state.tables[table])
    apart.tables["customer"][customer] = dict(apart.tables["customer"][customer])
    elsewhere = World(state=apart, now=world.now, switches=world.switches, url=world.url)
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
                {"cancel_now": boolean(), "items": sequence(subscriptions.ITEM)}
            ),
        },
    ),
]
