"""Prices: per unit or tiered, licensed or metered."""

from decimal import Decimal
from typing import Any

from tests.stripe_sandbox import products, search
from tests.stripe_sandbox.errors import ApiError, absent
from tests.stripe_sandbox.listing import PAGING, created_within, page
from tests.stripe_sandbox.parameters import (
    Field,
    boolean,
    created_filter,
    decimal,
    integer,
    mapping,
    required,
    sequence,
    strings,
    text,
    word_or_integer,
)
from tests.stripe_sandbox.routing import Call, Route, retrieve
from tests.stripe_sandbox.state import Json, new_id
from tests.stripe_sandbox.world import World, merge_metadata

AMOUNTS: dict[str, Field] = {
    "unit_amount": integer(minimum=0),
    "unit_amount_decimal": decimal(),
}
RECURRING = mapping(
    {
        "interval": required(text(choices=("day", "week", "month", "year"))),
        "interval_count": integer(minimum=1, maximum=156),
        "meter": text(),
        "usage_type": text(choices=("licensed", "metered")),
    }
)
TIER = mapping(
    {
        "up_to": required(word_or_integer("inf")),
        "flat_amount": integer(minimum=0),
        "flat_amount_decimal": decimal(),
        **AMOUNTS,
    }
)
CHANGEABLE: dict[str, Field] = {
    "active": boolean(),
    "lookup_key": text(maximum=200, clearable=True),
    "metadata": strings(),
    "nickname": text(clearable=True),
    "tax_behavior": text(choices=("exclusive", "inclusive", "unspecified")),
    "transfer_lookup_key": boolean(),
}


def _create(call: Call) -> Json:
    world, params = call.world, call.params
    recurring = _recurring(world, params.get("recurring"))
    scheme = params.get("billing_scheme", "per_unit")
    tiers = _tiers(params, scheme)
    unit = (None, None) if tiers else _both(params, "unit_amount")
    if scheme == "per_unit" and unit[1] is None:
        raise absent("unit_amount")
    price: Json = {
        "id": new_id("price_"),
        "object": "price",
        "active": params.get("active", True),
        "billing_scheme": scheme,
        "created": world.now,
        "currency": params["currency"].lower(),
        "currency_options": {},
        "custom_unit_amount": None,
        "livemode": False,
        "lookup_key": None,
        "metadata": {},
        "nickname": params.get("nickname"),
        "product": _product(world, params),
        "recurring": recurring,
        "tax_behavior": params.get("tax_behavior", "unspecified"),
        "tiers": tiers,
        "tiers_mode": params.get("tiers_mode"),
        "transform_quantity": None,
        "type": "recurring" if recurring else "one_time",
        "unit_amount": unit[0],
        "unit_amount_decimal": unit[1],
    }
    _take_lookup_key(world, price, params)
    merge_metadata(price, params.get("metadata"))
    world.add(price, "price.created")
    return world.render(price)


def _product(world: World, params: dict[str, Any]) -> str:
    if "product_data" in params:
        return str(products.create(world, params["product_data"])["id"])
    if "product" not in params:
        raise absent("product")
    return str(world.refer("product", params["product"], "product")["id"])


def _recurring(world: World, given: dict[str, Any] | None) -> Json | None:
    if given is None:
        return None
    usage_type = given.get("usage_type", "licensed")
    if usage_type == "metered" and "meter" not in given:
        raise ApiError(
            "Metered prices must be backed by a meter: recurring[meter] is missing.",
            code="parameter_missing",
            param="recurring[meter]",
        )
    if "meter" in given:
        if usage_type != "metered":
            raise ApiError(
                "recurring[meter] is only allowed with usage_type metered.",
                param="recurring[meter]",
            )
        meter = world.refer("billing.meter", given["meter"], "recurring[meter]")
        if meter["status"] != "active":
            raise ApiError("The meter is not active.", param="recurring[meter]")
    return {
        "interval": given["interval"],
        "interval_count": given.get("interval_count", 1),
        "meter": given.get("meter"),
        "trial_period_days": None,
        "usage_type": usage_type,
    }


def _tiers(params: dict[str, Any], scheme: str) -> list[Json] | None:
    if scheme == "per_unit":
        if "tiers" in params or "tiers_mode" in params:
            raise ApiError("tiers are only allowed with billing_scheme tiered.", param="tiers")
        return None
    for name in ("tiers", "tiers_mode"):
        if not params.get(name):
            raise absent(name)
    if "unit_amount" in params or "unit_amount_decimal" in params:
        raise ApiError("A tiered price has no unit_amount of its own.", param="unit_amount")
    return _ladder(params["tiers"])


def _ladder(given: list[dict[str, Any]]) -> list[Json]:
    tiers = []
    below = 0
    for position, tier in enumerate(given):
        last = position == len(given) - 1
        name = f"tiers[{position}]"
        if (tier["up_to"] == "inf") != last:
            raise ApiError("The last tier, and only it, must have up_to inf.", param=name)
        if not last and tier["up_to"] <= below:
            raise ApiError("up_to must grow from tier to tier.", param=f"{name}[up_to]")
        below = below if last else tier["up_to"]
        flat, unit = _both(tier, "flat_amount"), _both(tier, "unit_amount")
        if flat[1] is None and unit[1] is None:
            raise ApiError("A tier needs a flat_amount or a unit_amount.", param=name)
        tiers.append(
            {
                "flat_amount": flat[0],
                "flat_amount_decimal": flat[1],
                "unit_amount": unit[0],
                "unit_amount_decimal": unit[1],
                "up_to": None if last else tier["up_to"],
            }
        )
    return tiers


def _both(given: dict[str, Any], name: str) -> tuple[int | None, str | None]:
    """Return an amount as whole cents (null if it has a fraction) and as a decimal string."""
    if name in given and f"{name}_decimal" in given:
        raise ApiError(f"Only one of {name} and {name}_decimal may be given.", param=name)
    raw = given.get(name, given.get(f"{name}_decimal"))
    if raw is None:
        return None, None
    exact = Decimal(raw)
    whole = int(exact) if exact == int(exact) else None
    return whole, str(whole) if whole is not None else f"{exact.normalize():f}"


def _take_lookup_key(world: World, price: Json, params: dict[str, Any]) -> None:
    if "lookup_key" not in params:
        return
    key = params["lookup_key"]
    for other in world.state.tables["price"].values():
        if key is None or other is price or other["lookup_key"] != key:
            continue
        if not params.get("transfer_lookup_key"):
            raise ApiError(
                f"A price (`{other['id']}`) already uses that lookup key.", param="lookup_key"
            )
        other["lookup_key"] = None
    price["lookup_key"] = key


def _update(call: Call) -> Json:
    world, params = call.world, call.params
    price = world.find("price", call.ids["id"])
    with world.changing(price, "price.updated"):
        names = ("active", "nickname", "tax_behavior")
        price.update({name: params[name] for name in names if name in params})
        _take_lookup_key(world, price, params)
        merge_metadata(price, params.get("metadata"))
    return world.render(price)


def _list(call: Call) -> Json:
    params = call.params
    equal = ("active", "currency", "product", "type")
    recurring = params.get("recurring", {})
    rows = [
        row
        for row in call.world.newest_first("price")
        if created_within(row, params.get("created"))
        and all(row[name] == params[name] for name in equal if name in params)
        and ("lookup_keys" not in params or row["lookup_key"] in params["lookup_keys"])
        and all((row["recurring"] or {}).get(key) == value for key, value in recurring.items())
    ]
    return page(rows, params, call.path, call.world.render)


ROUTES = [
    Route(
        "POST",
        "/v1/prices",
        _create,
        {
            **CHANGEABLE,
            **AMOUNTS,
            "billing_scheme": text(choices=("per_unit", "tiered")),
            "currency": required(text()),
            "product": text(),
            "product_data": mapping({"name": required(text()), "metadata": strings()}),
            "recurring": RECURRING,
            "tiers": sequence(TIER),
            "tiers_mode": text(choices=("graduated", "volume")),
        },
    ),
    Route(
        "GET",
        "/v1/prices",
        _list,
        {
            **PAGING,
            "active": boolean(),
            "created": created_filter(),
            "currency": text(),
            "lookup_keys": sequence(text()),
            "product": text(),
            "recurring": mapping({"interval": text(), "meter": text(), "usage_type": text()}),
            "type": text(choices=("one_time", "recurring")),
        },
    ),
    search.route(
        "price", "/v1/prices/search", "active", "currency", "lookup_key", "product", "type"
    ),
    retrieve("price", "/v1/prices/<id>"),
    Route("POST", "/v1/prices/<id>", _update, CHANGEABLE),
]
