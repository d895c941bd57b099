"""`expand[]`: ids become objects, and members that are hidden by default appear."""

from collections.abc import Callable, Iterable
from typing import Any

from tests.stripe_sandbox.errors import ApiError
from tests.stripe_sandbox.rendering import as_list
from tests.stripe_sandbox.state import Json
from tests.stripe_sandbox.world import World

# Members that hold an id, by the object that has them (a dotted name reaches into plain members).
# The table is empty where the sandbox never has such an object: the member is always null.
REFERENCES: dict[tuple[str, str], str] = {
    ("billing_portal.session", "configuration"): "billing_portal.configuration",
    ("billing.credit_grant", "customer"): "customer",
    ("checkout.session", "customer"): "customer",
    ("checkout.session", "invoice"): "invoice",
    ("checkout.session", "payment_intent"): "payment_intent",
    ("checkout.session", "setup_intent"): "setup_intent",
    ("checkout.session", "subscription"): "subscription",
    ("credit_note", "customer"): "customer",
    ("credit_note", "invoice"): "invoice",
    ("customer", "default_source"): "",
    ("customer", "discount"): "",
    ("customer", "invoice_settings.default_payment_method"): "payment_method",
    ("customer", "test_clock"): "",
    ("invoice", "customer"): "customer",
    ("invoice", "default_payment_method"): "payment_method",
    ("invoice", "discounts"): "",
    ("invoice", "parent.subscription_details.subscription"): "subscription",
    ("invoice_payment", "invoice"): "invoice",
    ("invoice_payment", "payment.payment_intent"): "payment_intent",
    ("item", "discounts"): "",
    ("line_item", "discounts"): "",
    ("line_item", "pricing.price_details.price"): "price",
    ("line_item", "subscription"): "subscription",
    ("payment_intent", "customer"): "customer",
    ("payment_intent", "latest_charge"): "",
    ("payment_intent", "payment_method"): "payment_method",
    ("payment_method", "customer"): "customer",
    ("price", "product"): "product",
    ("product", "default_price"): "price",
    ("setup_intent", "customer"): "customer",
    ("setup_intent", "latest_attempt"): "",
    ("setup_intent", "payment_method"): "payment_method",
    ("subscription", "customer"): "customer",
    ("subscription", "default_payment_method"): "payment_method",
    ("subscription", "default_source"): "",
    ("subscription", "discounts"): "",
    ("subscription", "latest_invoice"): "invoice",
    ("subscription", "pending_setup_intent"): "setup_intent",
    ("subscription", "schedule"): "subscription_schedule",
    ("subscription", "test_clock"): "",
    ("subscription_item", "discounts"): "",
    ("subscription_schedule", "customer"): "customer",
    ("subscription_schedule", "subscription"): "subscription",
}


def apply(world: World, shown: Json, paths: Iterable[str]) -> None:
    """Expand an answer in place, or refuse a path that Stripe would refuse."""
    for path in paths:
        steps = path.split(".")
        if len(steps) > 4:
            raise ApiError(
                f"You cannot expand more than 4 levels of a property ({path}).", param="expand"
            )
        _expand(world, shown, steps, path, owner=shown, trail=())


def _expand(
    world: World, node: Any, steps: list[str], path: str, *, owner: Json, trail: tuple[str, ...]
) -> None:
    if isinstance(node, list):
        for entry in node:
            _expand(world, entry, steps, path, owner=owner, trail=trail)
        return
    if not steps or not isinstance(node, dict):
        return
    if "object" in node:
        owner, trail = node, ()
    step, *rest = steps
    trail = (*trail, step)
    known = (str(owner.get("object")), ".".join(trail))
    if known in INCLUDABLE:
        node.setdefault(step, INCLUDABLE[known](world, owner))
    elif known in REFERENCES:
        if isinstance(node.get(step), str) and REFERENCES[known]:
            node[step] = world.render(world.find(REFERENCES[known], node[step]))
    elif step not in node or (not rest and not _is_list(node[step])):
        raise ApiError(f"This property cannot be expanded ({path}).", param="expand")
    _expand(world, node.get(step), rest, path, owner=owner, trail=trail)


def _is_list(value: Any) -> bool:
    return isinstance(value, dict) and value.get("object") == "list"


def _price_member(name: str) -> Callable[[World, Json], Any]:
    return lambda world, shown: world.state.tables["price"][shown["id"]][name]


def _line_items(world: World, shown: Json) -> Json:
    stored = world.state.tables["checkout.session"][shown["id"]]
    data = []
    for entry in stored["_line_items"]:
        price = world.state.tables["price"][entry["price"]]
        product = world.state.tables["product"][price["product"]]
        data.append(
            {
                "id": entry["id"],
                "object": "item",
                "amount_discount": 0,
                "amount_subtotal": entry["amount"],
                "amount_tax": 0,
                "amount_total": entry["amount"],
                "currency": price["currency"],
                "description": product["name"],
                "discounts": [],
                "price": world.render(price),
                "quantity": entry["quantity"],
                "taxes": [],
            }
        )
    return as_list(data, f"/v1/checkout/sessions/{shown['id']}/line_items")


def _payments(world: World, shown: Json) -> Json:
    data = [
        world.render(payment)
        for payment in world.newest_first("invoice_payment")
        if payment["invoice"] == shown["id"]
    ]
    return as_list(data, f"/v1/invoice_payments?invoice={shown['id']}")


def _subscriptions(world: World, shown: Json) -> Json:
    data = [
        world.render(subscription)
        for subscription in world.newest_first("subscription")
        if subscription["customer"] == shown["id"] and subscription["status"] != "canceled"
    ]
    return as_list(data, f"/v1/customers/{shown['id']}/subscriptions")


def _empty(name: str) -> Callable[[World, Json], Json]:
    return lambda world, shown: as_list([], f"/v1/customers/{shown['id']}/{name}")


INCLUDABLE: dict[tuple[str, str], Callable[[World, Json], Any]] = {
    ("checkout.session", "line_items"): _line_items,
    ("checkout.session", "total_details.breakdown"): lambda *_: {"discounts": [], "taxes": []},
    ("customer", "sources"): _empty("sources"),
    ("customer", "subscriptions"): _subscriptions,
    ("customer", "tax_ids"): _empty("tax_ids"),
    ("invoice", "confirmation_secret"): lambda *_: None,
    ("invoice", "payments"): _payments,
    ("price", "currency_options"): _price_member("currency_options"),
    ("price", "tiers"): _price_member("tiers"),
}
