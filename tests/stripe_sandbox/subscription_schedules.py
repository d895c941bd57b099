"""Subscription schedules, as requests see them: made from a subscription, changed, released."""

from typing import Any

from tests.stripe_sandbox import cycles, periods, phases, subscriptions
from tests.stripe_sandbox.errors import ApiError, unsupported
from tests.stripe_sandbox.parameters import (
    boolean,
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
from tests.stripe_sandbox.world import World, merge_metadata

TABLE = phases.TABLE


def _create(call: Call) -> Json:
    world, params = call.world, call.params
    if "from_subscription" not in params:
        raise unsupported("schedules that are not made from a subscription", "from_subscription")
    if params.keys() - {"from_subscription"}:
        raise ApiError(
            "You cannot set other parameters when creating a schedule with `from_subscription`; "
            "update it afterwards.",
            param="from_subscription",
        )
    subscription = world.refer("subscription", params["from_subscription"], "from_subscription")
    if subscription["ended_at"]:
        raise ApiError("You cannot make a schedule from a subscription that has ended.")
    if subscription["schedule"]:
        raise ApiError(
            "You cannot migrate a subscription that is already attached to a schedule: "
            f"`{subscription['schedule']}`."
        )
    start, end = cycles.period(world, subscription)
    chosen = [
        {"price": item["price"], "quantity": item["quantity"], "metadata": item["metadata"]}
        for item in cycles.items(world, subscription)
    ]
    schedule = _schedule(world, subscription, [_phase(subscription, chosen, start, end)])
    with world.changing(subscription, "customer.subscription.updated"):
        subscription["schedule"] = schedule["id"]
    return world.render(world.add(schedule, f"{TABLE}.created"))


def _schedule(world: World, subscription: Json, planned: list[Json]) -> Json:
    return {
        "id": new_id("sub_sched_"),
        "object": TABLE,
        "application": None,
        "billing_mode": dict(subscription["billing_mode"]),
        "canceled_at": None,
        "completed_at": None,
        "created": world.now,
        "current_phase": {
            "start_date": planned[0]["start_date"],
            "end_date": planned[0]["end_date"],
        },
        "customer": subscription["customer"],
        "customer_account": None,
        "default_settings": {
            "application_fee_percent": None,
            "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
            "billing_cycle_anchor": "automatic",
            "billing_thresholds": None,
            "collection_method": "charge_automatically",
            "default_payment_method": subscription["default_payment_method"],
            "description": subscription["description"],
            "invoice_settings": {
                "account_tax_ids": None,
                "days_until_due": None,
                "issuer": {"type": "self"},
            },
            "on_behalf_of": None,
            "transfer_data": None,
        },
        "end_behavior": "release",
        "livemode": False,
        "metadata": {},
        "phases": planned,
        "released_at": None,
        "released_subscription": None,
        "status": "active",
        "subscription": subscription["id"],
        "test_clock": None,
    }


def _phase(subscription: Json, chosen: list[Json], start: int, end: int, **more: Any) -> Json:
    return {
        "add_invoice_items": [],
        "application_fee_percent": None,
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_cycle_anchor": None,
        "billing_thresholds": None,
        "collection_method": None,
        "currency": subscription["currency"],
        "default_payment_method": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": [],
        "end_date": end,
        "invoice_settings": None,
        "items": [
            {
                "billing_thresholds": None,
                "discounts": [],
                "metadata": entry.get("metadata", {}),
                "plan": entry["price"],
                "price": entry["price"],
                "tax_rates": [],
                **({"quantity": entry["quantity"]} if "quantity" in entry else {}),
            }
            for entry in chosen
        ],
        "metadata": {},
        "on_behalf_of": None,
        "proration_behavior": "create_prorations",
        "start_date": start,
        "transfer_data": None,
        "trial_end": None,
        **more,
    }


def _update(call: Call) -> Json:
    world, params = call.world, call.params
    schedule = _active(call)
    planned = _planned(world, schedule, params["phases"]) if "phases" in params else None
    with world.changing(schedule, f"{TABLE}.updated"):
        schedule["end_behavior"] = params.get("end_behavior", schedule["end_behavior"])
        schedule["phases"] = planned or schedule["phases"]
        merge_metadata(schedule, params.get("metadata"))
    return world.render(schedule)


def _planned(world: World, schedule: Json, given: list[dict[str, Any]]) -> list[Json]:
    """Return the phases that are asked for, the current one first and unchanged."""
    subscription = world.find("subscription", schedule["subscription"])
    _, period_end = cycles.period(world, subscription)
    anchor = given[0].get("start_date")
    if anchor is None:
        raise ApiError(
            "The subscription schedule update is missing at least one phase with a `start_date` "
            "to anchor end dates to.",
            param="phases",
        )
    current = schedule["current_phase"]["start_date"]
    if anchor not in {current, "now"}:
        raise ApiError(
            "You can not modify the start date of the current phase.", param="phases[0][start_date]"
        )
    planned = []
    begins = current
    for position, entry in enumerate(given):
        where = f"phases[{position}]"
        if position and entry.get("start_date", begins) != begins:
            raise ApiError(
                "A phase has to begin where the one before it ends.", param=f"{where}[start_date]"
            )
        ends = _end(world, subscription, entry, begins, where)
        if position == 0 and ends != period_end:
            raise unsupported("phases that change within a period", f"{where}[end_date]")
        chosen = subscriptions.check_items(world, entry["items"], f"{where}[items]")
        more = {
            "metadata": entry.get("metadata", {}),
            "proration_behavior": entry.get("proration_behavior", "create_prorations"),
        }
        planned.append(_phase(subscription, chosen, begins, ends, **more))
        begins = ends
    _check_current(world, subscription, planned[0])
    return planned


def _end(world: World, subscription: Json, entry: dict[str, Any], begins: int, where: str) -> int:
    if "end_date" in entry:
        if entry["end_date"] <= max(begins, world.now):
            raise ApiError("A phase has to end after it begins.", param=f"{where}[end_date]")
        return int(entry["end_date"])
    price = world.refer("price", entry["items"][0]["price"], f"{where}[items][0][price]")
    span = entry.get("duration", {})
    interval = span.get("interval", price["recurring"]["interval"])
    count = span.get("interval_count", price["recurring"]["interval_count"])
    anchor = subscription["billing_cycle_anchor"]
    return periods.next_boundary(anchor, interval=interval, count=count, after=begins)


def _check_current(world: World, subscription: Json, phase: Json) -> None:
    now = sorted(item["price"] for item in cycles.items(world, subscription))
    if sorted(entry["price"] for entry in phase["items"]) != now:
        raise unsupported("other items in the current phase", "phases[0][items]")


def _active(call: Call) -> Json:
    schedule = call.world.find(TABLE, call.ids["id"])
    if schedule["status"] != "active":
        raise ApiError(
            f"You cannot change a subscription schedule that is {schedule['status']}.", param="id"
        )
    return schedule


def _release(call: Call) -> Json:
    schedule = _active(call)
    subscription = call.world.find("subscription", schedule["subscription"])
    with call.world.changing(subscription, "customer.subscription.updated"):
        phases.leave(call.world, subscription, "released")
    return call.world.render(schedule)


def _cancel(call: Call) -> Json:
    schedule = _active(call)
    subscription = call.world.find("subscription", schedule["subscription"])
    invoice_now = call.params.get("invoice_now", True)
    cycles.cancel_now(call.world, subscription, invoice_now=invoice_now)
    return call.world.render(schedule)


PATH = "/v1/subscription_schedules"
BEHAVIOR = text(choices=("always_invoice", "create_prorations", "none"))
END = text(choices=("cancel", "release"))
PHASE = mapping(
    {
        "duration": mapping(
            {
                "interval": required(text(choices=("day", "week", "month", "year"))),
                "interval_count": integer(minimum=1),
            }
        ),
        "end_date": integer(),
        "items": required(sequence(subscriptions.ITEM)),
        "metadata": strings(),
        "proration_behavior": BEHAVIOR,
        "start_date": word_or_integer("now"),
    }
)

ROUTES = [
    Route(
        "POST",
        PATH,
        _create,
        {"end_behavior": END, "from_subscription": text(), "metadata": strings()},
    ),
    listing(TABLE, PATH, customer=text()),
    retrieve(TABLE, f"{PATH}/<id>"),
    Route(
        "POST",
        f"{PATH}/<id>",
        _update,
        {
            "end_behavior": END,
            "metadata": strings(),
            "phases": sequence(PHASE),
            "proration_behavior": BEHAVIOR,
        },
    ),
    Route("POST", f"{PATH}/<id>/release", _release, {"preserve_cancel_date": boolean()}),
    Route(
        "POST",
        f"{PATH}/<id>/cancel",
        _cancel,
        {"invoice_now": boolean(), "prorate": boolean()},
    ),
]
