"""Customers."""

from typing import Any

from tests.stripe_sandbox import cycles, payment_methods, search
from tests.stripe_sandbox.parameters import Field, mapping, sequence, strings, text
from tests.stripe_sandbox.routing import Call, Route, listing, retrieve
from tests.stripe_sandbox.state import Json, new_id
from tests.stripe_sandbox.world import World, merge_metadata

ADDRESS = mapping(
    {
        part: text(clearable=True)
        for part in ("city", "country", "line1", "line2", "postal_code", "state")
    }
)
PLAIN: dict[str, Field] = {
    "address": ADDRESS,
    "description": text(clearable=True),
    "email": text(maximum=512, clearable=True),
    "name": text(maximum=256, clearable=True),
    "phone": text(maximum=20, clearable=True),
    "preferred_locales": sequence(text(), clearable=True),
    "tax_exempt": text(choices=("none", "exempt", "reverse")),
}
FIELDS: dict[str, Field] = {
    **PLAIN,
    "invoice_settings": mapping(
        {"default_payment_method": text(clearable=True), "footer": text(clearable=True)}
    ),
    "metadata": strings(),
}


def create(world: World, params: dict[str, Any]) -> Json:
    """Create a customer, with a payment method attached if one is given."""
    method = params.get("payment_method")
    if method:
        payment_methods.refer(world, method, "payment_method")
    customer: Json = {
        "id": new_id("cus_", 14),
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": world.now,
        "currency": None,
        "customer_account": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": None,
        "invoice_prefix": new_id("", 8).upper(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": {},
        "name": None,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }
    customer |= {name: params[name] for name in PLAIN if name in params}
    merge_metadata(customer, params.get("metadata"))
    world.add(customer, "customer.created")
    if method:
        payment_methods.attach(world, method, customer["id"])
    with world.changing(customer, "customer.updated"):
        _settle(world, customer, params)
    return customer


def _settle(world: World, customer: Json, params: dict[str, Any]) -> None:
    settings: dict[str, Any] = params.get("invoice_settings", {})
    if settings.get("default_payment_method"):
        method = payment_methods.refer(
            world,
            settings["default_payment_method"],
            "invoice_settings[default_payment_method]",
            customer=customer["id"],
        )
        settings["default_payment_method"] = method["id"]
    customer["invoice_settings"] |= settings


def _create(call: Call) -> Json:
    return call.world.render(create(call.world, call.params))


def _retrieve(call: Call) -> Json:
    customer = call.world.find("customer", call.ids["id"])
    return _tombstone(customer) if customer.get("deleted") else call.world.render(customer)


def _update(call: Call) -> Json:
    world, params = call.world, call.params
    customer = world.refer("customer", call.ids["id"], "id")
    with world.changing(customer, "customer.updated"):
        _settle(world, customer, params)
        customer.update({name: params[name] for name in PLAIN if name in params})
        merge_metadata(customer, params.get("metadata"))
    return world.render(customer)


def _delete(call: Call) -> Json:
    """Deleting a customer cancels its subscriptions at once; unbilled usage is lost."""
    world = call.world
    customer = world.refer("customer", call.ids["id"], "id")
    for subscription in world.state.tables["subscription"].values():
        if subscription["customer"] == customer["id"] and not subscription["ended_at"]:
            cycles.cancel_now(world, subscription, invoice_now=False)
    world.emit("customer.deleted", customer)
    customer["deleted"] = True
    return _tombstone(customer)


def _tombstone(customer: Json) -> Json:
    return {"id": customer["id"], "object": "customer", "deleted": True}


ROUTES = [
    Route("POST", "/v1/customers", _create, {**FIELDS, "payment_method": text()}),
    listing("customer", "/v1/customers", email=text()),
    search.route("customer", "/v1/customers/search", "email", "name", "phone"),
    Route("GET", "/v1/customers/<id>", _retrieve),
    Route("POST", "/v1/customers/<id>", _update, FIELDS),
    Route("DELETE", "/v1/customers/<id>", _delete),
    payment_methods.of_customer("/v1/customers/<id>/payment_methods"),
    retrieve("payment_method", "/v1/customers/<customer>/payment_methods/<id>"),
]
