"""Products."""

from typing import Any

from tests.stripe_sandbox import search
from tests.stripe_sandbox.errors import ApiError
from tests.stripe_sandbox.listing import PAGING, created_within, page
from tests.stripe_sandbox.parameters import (
    Field,
    boolean,
    created_filter,
    required,
    sequence,
    strings,
    text,
)
from tests.stripe_sandbox.routing import Call, Route, retrieve
from tests.stripe_sandbox.state import Json, new_id
from tests.stripe_sandbox.world import World, merge_metadata

PLAIN: dict[str, Field] = {
    "active": boolean(),
    "description": text(clearable=True),
    "images": sequence(text(), clearable=True),
    "name": text(),
    "statement_descriptor": text(maximum=22),
    "unit_label": text(maximum=12, clearable=True),
    "url": text(clearable=True),
}


def create(world: World, params: dict[str, Any]) -> Json:
    """Create a product; the id may be chosen by the caller."""
    identifier = params.get("id") or new_id("prod_", 14)
    if identifier in world.state.tables["product"]:
        raise ApiError("Product already exists.", code="resource_already_exists", param="id")
    product: Json = {
        "id": identifier,
        "object": "product",
        "active": True,
        "created": world.now,
        "default_price": None,
        "description": None,
        "images": [],
        "livemode": False,
        "marketing_features": [],
        "metadata": {},
        "name": None,
        "package_dimensions": None,
        "shippable": None,
        "statement_descriptor": None,
        "tax_code": None,
        "type": "service",
        "unit_label": None,
        "updated": world.now,
        "url": None,
    }
    product |= {name: params[name] for name in PLAIN if name in params}
    merge_metadata(product, params.get("metadata"))
    return world.add(product, "product.created")


def _create(call: Call) -> Json:
    return call.world.render(create(call.world, call.params))


def _update(call: Call) -> Json:
    world, params = call.world, call.params
    product = world.find("product", call.ids["id"])
    if default := params.get("default_price"):
        world.refer("price", default, "default_price")
    with world.changing(product, "product.updated"):
        names = [name for name in (*PLAIN, "default_price") if name in params]
        product.update({name: params[name] for name in names}, updated=world.now)
        merge_metadata(product, params.get("metadata"))
    return world.render(product)


def _delete(call: Call) -> Json:
    world = call.world
    product = world.find("product", call.ids["id"])
    prices = world.state.tables["price"].values()
    if any(price["product"] == product["id"] for price in prices):
        raise ApiError(
            "This product cannot be deleted because it has one or more user-created prices."
        )
    world.emit("product.deleted", product)
    del world.state.tables["product"][product["id"]]
    return {"id": product["id"], "object": "product", "deleted": True}


def _list(call: Call) -> Json:
    params = call.params
    rows = [
        row
        for row in call.world.newest_first("product")
        if created_within(row, params.get("created"))
        and ("active" not in params or row["active"] == params["active"])
        and ("ids" not in params or row["id"] in params["ids"])
    ]
    return page(rows, params, call.path, call.world.render)


def _features(call: Call) -> Json:
    call.world.find("product", call.ids["id"])
    return page([], call.params, call.path, call.world.render)


ROUTES = [
    Route(
        "POST",
        "/v1/products",
        _create,
        {
            **PLAIN,
            "id": text(),
            "metadata": strings(),
            "name": required(text()),
            "type": text(choices=("good", "service")),
        },
    ),
    Route(
        "GET",
        "/v1/products",
        _list,
        {**PAGING, "active": boolean(), "created": created_filter(), "ids": sequence(text())},
    ),
    search.route("product", "/v1/products/search", "active", "description", "name", "url"),
    retrieve("product", "/v1/products/<id>"),
    Route(
        "POST",
        "/v1/products/<id>",
        _update,
        {**PLAIN, "default_price": text(), "metadata": strings()},
    ),
    Route("DELETE", "/v1/products/<id>", _delete),
    Route("GET", "/v1/products/<id>/features", _features, PAGING),
]
