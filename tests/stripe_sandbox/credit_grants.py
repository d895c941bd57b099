"""Billing credits: granted to a customer, spent on what metered prices cost.

A grant counts for an invoice if it is in effect at the end of the invoice's period, so one that
expires at that very instant still does. Drafts and previews show what would be spent; finalizing
spends it: by priority, then what expires first, then the oldest.
"""

from typing import TYPE_CHECKING, Any

from tests.stripe_sandbox.errors import ApiError
from tests.stripe_sandbox.parameters import (
    integer,
    mapping,
    required,
    sequence,
    strings,
    text,
    word_or_integer,
)
from tests.stripe_sandbox.routing import Call, Route, listing, retrieve
from tests.stripe_sandbox.state import Json, new_id

if TYPE_CHECKING:
    from tests.stripe_sandbox.world import World

TABLE = "billing.credit_grant"


def cover(world: "World", invoice: Json, *, spend: bool = False) -> int:
    """Mark on the lines what credits pay for, and return the sum."""
    for line in invoice["lines"]:
        line["pretax_credit_amounts"] = []
    for grant in _in_effect(world, invoice):
        left = _left(grant)
        for line in invoice["lines"]:
            paid = sum(amount["amount"] for amount in line["pretax_credit_amounts"])
            used = min(left, line["amount"] - paid)
            if used <= 0 or not _covers(world, grant, line):
                continue
            left -= used
            transaction = new_id("cbtxn_") if spend else None
            line["pretax_credit_amounts"].append(
                {
                    "amount": used,
                    "credit_balance_transaction": transaction,
                    "type": "credit_balance_transaction",
                }
            )
        if spend:
            grant["_left"] = left
    everything = [amount for line in invoice["lines"] for amount in line["pretax_credit_amounts"]]
    invoice["total_pretax_credit_amounts"] = everything
    return sum(amount["amount"] for amount in everything)


def _in_effect(world: "World", invoice: Json) -> list[Json]:
    at = invoice["period_end"]
    grants = [
        grant
        for grant in world.state.tables[TABLE].values()
        if grant["customer"] == invoice["customer"]
        and grant["amount"]["monetary"]["currency"] == invoice["currency"]
        and grant["voided_at"] is None
        and grant["effective_at"] < at
        and (grant["expires_at"] is None or grant["expires_at"] >= at)
        and _left(grant) > 0
    ]
    never = 1 << 62
    return sorted(grants, key=lambda grant: (grant["priority"], grant["expires_at"] or never))


def _left(grant: Json) -> int:
    return int(grant.get("_left", grant["amount"]["monetary"]["value"]))


def _covers(world: "World", grant: Json, line: Json) -> bool:
    price = world.state.tables["price"][line["pricing"]["price_details"]["price"]]
    scope = grant["applicability_config"]["scope"]
    chosen = [entry["id"] for entry in scope.get("prices") or []]
    return bool(price["recurring"]["meter"]) and (not chosen or price["id"] in chosen)


def _create(call: Call) -> Json:
    world, params = call.world, call.params
    customer = world.refer("customer", params["customer"], "customer")
    effective = params.get("effective_at", world.now)
    if effective < world.now:
        raise ApiError("effective_at cannot be in the past.", param="effective_at")
    expires = params.get("expires_at")
    if expires is not None and expires <= effective:
        raise ApiError("expires_at must be after effective_at.", param="expires_at")
    scope: dict[str, Any] = params["applicability_config"]["scope"]
    if ("price_type" in scope) == ("prices" in scope):
        raise ApiError(
            "Exactly one of price_type and prices must be given.",
            param="applicability_config[scope]",
        )
    grant: Json = {
        "id": new_id("credgr_test_"),
        "object": TABLE,
        "amount": params["amount"],
        "applicability_config": {"scope": scope},
        "category": params.get("category", "paid"),
        "created": world.now,
        "customer": customer["id"],
        "customer_account": None,
        "effective_at": effective,
        "expires_at": expires,
        "livemode": False,
        "metadata": params.get("metadata", {}),
        "name": params.get("name"),
        "priority": params.get("priority", 50),
        "test_clock": None,
        "updated": world.now,
        "voided_at": None,
    }
    return world.render(world.add(grant, "billing.credit_grant.created"))


def _update(call: Call) -> Json:
    return _change(call, **call.params)


def _void(call: Call) -> Json:
    return _change(call, voided_at=call.world.now)


def _expire(call: Call) -> Json:
    return _change(call, expires_at=call.world.now)


def _change(call: Call, **values: Any) -> Json:
    world = call.world
    grant = world.find(TABLE, call.ids["id"])
    ended = grant["expires_at"] is not None and grant["expires_at"] <= world.now
    if grant["voided_at"] or (ended and values.keys() - {"metadata"}):
        raise ApiError("This credit grant is voided or expired and can't be changed.", param="id")
    with world.changing(grant, "billing.credit_grant.updated"):
        grant["metadata"] |= values.pop("metadata", {})
        expires = {"expires_at": None} if values.get("expires_at") == "" else {}
        grant.update(values | expires, updated=world.now)
    return world.render(grant)


AMOUNT = mapping(
    {
        "type": required(text(choices=("monetary",))),
        "monetary": required(
            mapping({"currency": required(text()), "value": required(integer(minimum=1))})
        ),
    }
)
SCOPE = mapping(
    {
        "price_type": text(choices=("metered",)),
        "prices": sequence(mapping({"id": required(text())})),
    }
)
PATH = "/v1/billing/credit_grants"

ROUTES = [
    Route(
        "POST",
        PATH,
        _create,
        {
            "amount": required(AMOUNT),
            "applicability_config": required(mapping({"scope": required(SCOPE)})),
            "category": text(choices=("paid", "promotional")),
            "customer": required(text()),
            "effective_at": integer(),
            "expires_at": integer(),
            "metadata": strings(),
            "name": text(maximum=100),
            "priority": integer(minimum=0, maximum=100),
        },
    ),
    listing(TABLE, PATH, customer=text()),
    retrieve(TABLE, f"{PATH}/<id>"),
    Route(
        "POST", f"{PATH}/<id>", _update, {"expires_at": word_or_integer(""), "metadata": strings()}
    ),
    Route("POST", f"{PATH}/<id>/expire", _expire),
    Route("POST", f"{PATH}/<id>/void", _void),
]
