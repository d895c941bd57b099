"""Subscriptions and their items, as requests see them."""

from typing import Any

from tests.stripe_sandbox import cycles, payment_methods
from tests.stripe_sandbox.errors import ApiError, unsupported
from tests.stripe_sandbox.listing import PAGING, created_within, page
from tests.stripe_sandbox.parameters import (
    Field,
    boolean,
    created_filter,
    integer,
    mapping,
    required,
    sequence,
    strings,
    text,
    word_or_integer,
)
from tests.stripe_sandbox.routing import Call, Route, listing, retrieve
from tests.stripe_sandbox.state import Json
from tests.stripe_sandbox.world import World, merge_metadata

DAY = 86400
STATUSES = (
    "active",
    "past_due",
    "unpaid",
    "canceled",
    "incomplete",
    "incomplete_expired",
    "trialing",
    "paused",
    "all",
    "ended",
)
TRIAL_SETTINGS = mapping(
    {
        "end_behavior": required(
            mapping(
                {
                    "missing_payment_method": required(
                        text(choices=("cancel", "create_invoice", "pause"))
                    )
                }
            )
        )
    }
)
BILLING_MODE = mapping({"type": required(text(choices=("classic", "flexible")))})
ITEM = mapping({"price": required(text()), "quantity": integer(minimum=0), "metadata": strings()})
CANCELLATION = mapping(
    {
        "comment": text(clearable=True),
        "feedback": text(
            clearable=True,
            choices=(
                "customer_service",
                "low_quality",
                "missing_features",
                "other",
                "switched_service",
                "too_complex",
                "too_expensive",
                "unused",
            ),
        ),
    }
)
PRORATION = text(choices=("always_invoice", "create_prorations", "none"))


def check_items(world: World, given: list[dict[str, Any]], name: str) -> list[Json]:
    """Return the items with their price ids, refusing what cannot be subscribed to."""
    if not given:
        raise ApiError(f"Missing required param: {name}.", code="parameter_missing", param=name)
    checked = []
    for position, item in enumerate(given):
        where = f"{name}[{position}]"
        price = world.refer("price", item["price"], f"{where}[price]")
        if price["recurring"] is None:
            raise ApiError(
                "The price specified is set to `type=one_time` but this field only accepts prices "
                "with `type=recurring`.",
                param=f"{where}[price]",
            )
        if not price["active"]:
            raise ApiError(
                "The price specified is inactive. This field only accepts active prices.",
                param=f"{where}[price]",
            )
        if price["recurring"]["usage_type"] == "metered" and "quantity" in item:
            raise ApiError(
                "Quantity should not be specified where usage_type is `metered`. Remove quantity "
                f"from `{where}`",
                param=f"{where}[quantity]",
            )
        checked.append(item)
    _check_alike(world, checked, name)
    return checked


def _check_alike(world: World, given: list[Json], name: str) -> None:
    rhythms = set()
    for item in given:
        price = world.state.tables["price"][item["price"]]
        recurring = price["recurring"]
        rhythms.add((price["currency"], recurring["interval"], recurring["interval_count"]))
    if len(rhythms) > 1:
        raise ApiError(
            "Currency and interval fields must match across all plans on this subscription.",
            param=name,
        )


def trial_end(world: World, params: dict[str, Any], prefix: str = "") -> int | None:
    """Return when the trial that the parameters ask for ends, if they ask for one."""
    end, days = params.get("trial_end"), params.get("trial_period_days")
    if end is not None and days is not None:
        raise ApiError("You may only specify one of trial_end and trial_period_days.")
    if days is not None:
        return world.now + int(days) * DAY
    if end in {None, "now"}:
        return None
    if int(end) <= world.now:
        raise ApiError(
            "Invalid timestamp: must be an integer Unix timestamp in the future.",
            param=f"{prefix}[trial_end]" if prefix else "trial_end",
        )
    return int(end)


def missing_payment_method(params: dict[str, Any]) -> str:
    """Return what happens at the end of a trial without a payment method."""
    settings = params.get("trial_settings", {"end_behavior": {}})["end_behavior"]
    return str(settings.get("missing_payment_method", "create_invoice"))


def _create(call: Call) -> Json:
    world, params = call.world, call.params
    customer = world.refer("customer", params["customer"], "customer")["id"]
    chosen = check_items(world, params["items"], "items")
    until = trial_end(world, params)
    anchor = params.get("billing_cycle_anchor")
    if anchor is not None and anchor <= world.now:
        raise ApiError("billing_cycle_anchor must be in the future.", param="billing_cycle_anchor")
    method = _own_method(world, params, customer)
    order = cycles.Order(
        customer=customer,
        items=chosen,
        metadata=params.get("metadata", {}),
        description=params.get("description"),
        default_payment_method=method,
        trial_end=until,
        missing_payment_method=missing_payment_method(params),
        billing_cycle_anchor=anchor,
        cancel_at_period_end=params.get("cancel_at_period_end", False),
        billing_mode=params.get("billing_mode", {"type": "flexible"})["type"],
    )
    return world.render(cycles.start(world, order))


def _own_method(world: World, params: dict[str, Any], customer: str) -> str | None:
    if not params.get("default_payment_method"):
        return None
    method = payment_methods.refer(
        world, params["default_payment_method"], "default_payment_method", customer=customer
    )
    return str(method["id"])


def _update(call: Call) -> Json:
    world, params = call.world, call.params
    subscription = world.find("subscription", call.ids["id"])
    if subscription["ended_at"] and params.keys() - {"metadata", "cancellation_details"}:
        raise ApiError(
            "A canceled subscription can only update its cancellation_details and metadata."
        )
    until = _new_trial_end(world, subscription, params)
    with world.changing(subscription, "customer.subscription.updated"):
        if "default_payment_method" in params:
            subscription["default_payment_method"] = _own_method(
                world, params, subscription["customer"]
            )
        if "description" in params:
            subscription["description"] = params["description"]
        if "trial_settings" in params:
            subscription["trial_settings"] = params["trial_settings"]
        subscription["cancellation_details"] |= params.get("cancellation_details", {})
        _schedule_end(world, subscription, params)
        if until is not None and until != world.now:
            cycles.move_trial(world, subscription, until)
        merge_metadata(subscription, params.get("metadata"))
    if until == world.now:
        cycles.end_trial(world, subscription)
    return world.render(subscription)


def _schedule_end(world: World, subscription: Json, params: dict[str, Any]) -> None:
    wanted = params.get("cancel_at_period_end", subscription["cancel_at_period_end"])
    if wanted and not subscription["cancel_at_period_end"]:
        cycles.schedule_end(world, subscription)
    elif not wanted and subscription["cancel_at_period_end"]:
        cycles.keep(subscription)


def _new_trial_end(world: World, subscription: Json, params: dict[str, Any]) -> int | None:
    if "trial_end" not in params:
        return None
    if subscription["status"] != "trialing":
        if params["trial_end"] == "now":
            return None
        raise unsupported("a trial that begins after the subscription did", "trial_end")
    return trial_end(world, params) or world.now


def _cancel(call: Call) -> Json:
    world, params = call.world, call.params
    subscription = world.find("subscription", call.ids["id"])
    if subscription["ended_at"]:
        raise ApiError(
            f"No such subscription: '{subscription['id']}'",
            status=404,
            code="resource_missing",
            param="id",
        )
    subscription["cancellation_details"] |= params.get("cancellation_details", {})
    cycles.cancel_now(world, subscription, invoice_now=params.get("invoice_now", False))
    return world.render(subscription)


def _list(call: Call) -> Json:
    """List subscriptions; without a status those that have ended are left out."""
    world, params = call.world, call.params
    rows = [
        row
        for row in world.newest_first("subscription")
        if created_within(row, params.get("created"))
        and _has_status(row, params.get("status"))
        and params.get("customer", row["customer"]) == row["customer"]
        and ("price" not in params or _has_price(world, row, params["price"]))
    ]
    return page(rows, params, call.path, world.render)


def _has_status(row: Json, status: str | None) -> bool:
    if status == "all":
        return True
    if status == "ended":
        return row["status"] in {"canceled", "incomplete_expired"}
    return bool(row["status"] == status if status else row["status"] != "canceled")


def _has_price(world: World, row: Json, price: str) -> bool:
    return any(item["price"] == price for item in cycles.items(world, row))


SHARED: dict[str, Field] = {
    "cancel_at_period_end": boolean(),
    "default_payment_method": text(clearable=True),
    "description": text(maximum=500, clearable=True),
    "metadata": strings(),
    "off_session": boolean(),
    "proration_behavior": PRORATION,
    "trial_end": word_or_integer("now"),
    "trial_settings": TRIAL_SETTINGS,
}

ROUTES = [
    Route(
        "POST",
        "/v1/subscriptions",
        _create,
        {
            **SHARED,
            "billing_cycle_anchor": integer(),
            "billing_mode": BILLING_MODE,
            "collection_method": text(choices=("charge_automatically",)),
            "customer": required(text()),
            "items": required(sequence(ITEM)),
            "trial_period_days": integer(minimum=1, maximum=730),
        },
    ),
    Route(
        "GET",
        "/v1/subscriptions",
        _list,
        {
            **PAGING,
            "created": created_filter(),
            "customer": text(),
            "price": text(),
            "status": text(choices=STATUSES),
        },
    ),
    retrieve("subscription", "/v1/subscriptions/<id>"),
    Route(
        "POST",
        "/v1/subscriptions/<id>",
        _update,
        {**SHARED, "cancellation_details": CANCELLATION},
    ),
    Route(
        "DELETE",
        "/v1/subscriptions/<id>",
        _cancel,
        {"cancellation_details": CANCELLATION, "invoice_now": boolean(), "prorate": boolean()},
    ),
    listing("subscription_item", "/v1/subscription_items", subscription=required(text())),
    retrieve("subscription_item", "/v1/subscription_items/<id>"),
]
