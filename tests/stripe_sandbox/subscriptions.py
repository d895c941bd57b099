"""Subscriptions and their items, as requests see them."""

from typing import Any

from tests.stripe_sandbox import cycles, payment_methods, search
from tests.stripe_sandbox.errors import ApiError, absent, unsupported
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
PAYMENT_BEHAVIOR = text(choices=("allow_incomplete", "error_if_incomplete"))
ITEM_CHANGE = mapping(
    {
        "deleted": boolean(),
        "id": text(),
        "metadata": strings(),
        "price": text(),
        "quantity": integer(minimum=0),
    }
)
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
        raise absent(name)
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


def changed_items(
    world: World, subscription: Json, given: list[dict[str, Any]], name: str
) -> list[Json]:
    """Return all items a subscription is to have, those that are not named as they are."""
    wanted = {
        item["id"]: {"id": item["id"], "price": item["price"]}
        for item in cycles.items(world, subscription)
    }
    added = []
    for position, entry in enumerate(given):
        where = f"{name}[{position}]"
        identifier = entry.get("id")
        if identifier is None:
            added.append(_new_entry(entry, where))
        elif identifier not in wanted:
            raise ApiError(
                f"No such subscription item: '{identifier}'",
                code="resource_missing",
                param=f"{where}[id]",
            )
        elif entry.get("deleted"):
            del wanted[identifier]
        else:
            wanted[identifier] |= entry
    everything = [*wanted.values(), *added]
    named = {entry.get("id") for entry in given}
    touched = [entry for entry in everything if entry.get("id") in named]
    if touched:
        check_items(world, touched, name)
    return _distinct(world, everything, name)


def _new_entry(entry: dict[str, Any], where: str) -> Json:
    if entry.get("deleted") or "price" not in entry:
        param = f"{where}[id]" if entry.get("deleted") else f"{where}[price]"
        raise absent(param)
    return entry


def _distinct(world: World, entries: list[Json], name: str) -> list[Json]:
    if not entries:
        raise ApiError("A subscription must have at least one active plan.", param=name)
    prices = [world.refer("price", entry["price"], name)["id"] for entry in entries]
    for price in prices:
        if prices.count(price) > 1:
            raise ApiError(
                f"Cannot add multiple subscription items with the same plan: {price}", param=name
            )
    _check_alike(world, entries, name)
    return entries


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
    if params.get("payment_behavior") == "error_if_incomplete" and until is None:
        _check_first_payment(world, customer, method, chosen)
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


def _check_first_payment(
    world: World, customer: str, method: str | None, chosen: list[Json]
) -> None:
    """Refuse a subscription whose first invoice would not be paid, before anything is made."""
    settings = world.state.tables["customer"][customer]["invoice_settings"]
    methods = world.state.tables["payment_method"]
    charged = methods.get(method or settings["default_payment_method"] or "")
    licensed = any(
        world.state.tables["price"][entry["price"]]["recurring"]["usage_type"] == "licensed"
        for entry in chosen
    )
    if licensed and (charged is None or payment_methods.declines(charged)):
        raise payment_methods.declined()


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
    _check_schedule(subscription, params)
    until = _new_trial_end(world, subscription, params)
    if "items" in params:
        wanted = changed_items(world, subscription, params["items"], "items")
        proration = params.get("proration_behavior", "create_prorations")
        cycles.change_items(world, subscription, wanted, proration=proration)
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


def _check_schedule(subscription: Json, params: dict[str, Any]) -> None:
    if subscription["schedule"] and "cancel_at_period_end" in params:
        raise ApiError(
            "The subscription is managed by the subscription schedule "
            f"`{subscription['schedule']}`, and updating any cancelation behavior directly is not "
            "allowed. Please update the schedule instead.",
            param="cancel_at_period_end",
        )


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
    cycles.cancel_now(
        world,
        subscription,
        invoice_now=params.get("invoice_now", False),
        prorate=params.get("prorate", False),
    )
    return world.render(subscription)


def _resume(call: Call) -> Json:
    world = call.world
    subscription = world.find("subscription", call.ids["id"])
    if subscription["status"] != "paused":
        raise ApiError(
            "Only paused subscriptions can be resumed. This subscription has a status of "
            f"{subscription['status']}."
        )
    if call.params.get("billing_cycle_anchor", "now") != "now":
        raise unsupported("resuming with the old anchor", "billing_cycle_anchor")
    cycles.resume(world, subscription)
    return world.render(subscription)


def _migrate(call: Call) -> Json:
    """Give a classic subscription flexible billing; there is no way back."""
    world = call.world
    subscription = world.find("subscription", call.ids["id"])
    if subscription["billing_mode"]["type"] == "flexible":
        raise ApiError("The subscription's billing mode is flexible already.")
    with world.changing(subscription, "customer.subscription.updated"):
        subscription["billing_mode"] |= {"type": "flexible", "updated_at": world.now}
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
    "payment_behavior": PAYMENT_BEHAVIOR,
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
    search.route("subscription", "/v1/subscriptions/search", "status"),
    retrieve("subscription", "/v1/subscriptions/<id>"),
    Route(
        "POST",
        "/v1/subscriptions/<id>",
        _update,
        {**SHARED, "cancellation_details": CANCELLATION, "items": sequence(ITEM_CHANGE)},
    ),
    Route(
        "POST",
        "/v1/subscriptions/<id>/resume",
        _resume,
        {
            "billing_cycle_anchor": text(choices=("now", "unchanged")),
            "proration_behavior": PRORATION,
        },
    ),
    Route(
        "POST",
        "/v1/subscriptions/<id>/migrate",
        _migrate,
        {"billing_mode": required(mapping({"type": required(text(choices=("flexible",)))}))},
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
