"""Billing meters and the summaries of what they measured."""

from tests.stripe_sandbox import usage
from tests.stripe_sandbox.errors import ApiError
from tests.stripe_sandbox.listing import PAGING, page
from tests.stripe_sandbox.parameters import integer, mapping, required, text
from tests.stripe_sandbox.routing import Call, Route, listing, retrieve
from tests.stripe_sandbox.state import Json, new_id

KEY = required(text(maximum=100))


def _create(call: Call) -> Json:
    world, params = call.world, call.params
    for meter in world.state.tables["billing.meter"].values():
        if meter["event_name"] == params["event_name"]:
            raise ApiError(
                f"A meter with event name {params['event_name']} already exists.",
                param="event_name",
            )
    mapped = params.get("customer_mapping", {"event_payload_key": "stripe_customer_id"})
    meter = {
        "id": new_id("mtr_test_"),
        "object": "billing.meter",
        "created": world.now,
        "customer_mapping": {"event_payload_key": mapped["event_payload_key"], "type": "by_id"},
        "default_aggregation": params["default_aggregation"],
        "display_name": params["display_name"],
        "event_name": params["event_name"],
        "event_time_window": params.get("event_time_window"),
        "livemode": False,
        "status": "active",
        "status_transitions": {"deactivated_at": None},
        "updated": world.now,
        "value_settings": params.get("value_settings", {"event_payload_key": "value"}),
    }
    return world.render(world.add(meter, "billing.meter.created"))


def _update(call: Call) -> Json:
    world = call.world
    meter = world.find("billing.meter", call.ids["id"])
    with world.changing(meter, "billing.meter.updated"):
        if "display_name" in call.params:
            meter["display_name"] = call.params["display_name"]
            meter["updated"] = world.now
    return world.render(meter)


def _deactivate(call: Call) -> Json:
    return _switch(call, "inactive", "billing.meter.deactivated")


def _reactivate(call: Call) -> Json:
    return _switch(call, "active", "billing.meter.reactivated")


def _switch(call: Call, status: str, event: str) -> Json:
    world = call.world
    meter = world.find("billing.meter", call.ids["id"])
    if meter["status"] == status:
        raise ApiError(f"The meter is already {status}.", param="id")
    with world.changing(meter, event):
        meter["status"] = status
        meter["updated"] = world.now
        meter["status_transitions"] = {
            "deactivated_at": world.now if status == "inactive" else None
        }
    return world.render(meter)


def _summaries(call: Call) -> Json:
    """Summarize `[start_time, end_time)`: one row, or one per UTC hour or day, newest first."""
    world, params = call.world, call.params
    meter = world.find("billing.meter", call.ids["id"])
    customer = world.refer("customer", params["customer"], "customer")["id"]
    start, end = params["start_time"], params["end_time"]
    window = params.get("value_grouping_window")
    _aligned(start, "start_time", window)
    _aligned(end, "end_time", window)
    if end <= start:
        raise ApiError("end_time must be later than start_time.", param="end_time")
    step = usage.WINDOWS[window] if window else end - start
    rows = [
        {
            "id": f"mtrusg_{meter['id']}_{customer}_{at}_{at + step}",
            "object": "billing.meter_event_summary",
            "aggregated_value": usage.aggregate(world, meter, customer, start=at, end=at + step),
            "end_time": at + step,
            "livemode": False,
            "meter": meter["id"],
            "start_time": at,
        }
        for at in range(start, end, step)
    ]
    return page(rows[::-1], params, call.path, dict)


def _aligned(instant: int, param: str, window: str | None) -> None:
    unit = usage.WINDOWS[window] if window else 60
    if instant % unit:
        name = {"hour": "hour", "day": "UTC day"}.get(window or "", "minute")
        raise ApiError(
            f"{param} must be aligned with {name} boundaries. Got {instant}.", param=param
        )


ROUTES = [
    Route(
        "POST",
        "/v1/billing/meters",
        _create,
        {
            "customer_mapping": mapping(
                {"event_payload_key": KEY, "type": required(text(choices=("by_id",)))}
            ),
            "default_aggregation": required(
                mapping({"formula": required(text(choices=("count", "last", "sum")))})
            ),
            "display_name": required(text(maximum=250)),
            "event_name": required(text(maximum=100)),
            "event_time_window": text(choices=("day", "hour")),
            "value_settings": mapping({"event_payload_key": KEY}),
        },
    ),
    listing("billing.meter", "/v1/billing/meters", status=text(choices=("active", "inactive"))),
    retrieve("billing.meter", "/v1/billing/meters/<id>"),
    Route("POST", "/v1/billing/meters/<id>", _update, {"display_name": text(maximum=250)}),
    Route("POST", "/v1/billing/meters/<id>/deactivate", _deactivate),
    Route("POST", "/v1/billing/meters/<id>/reactivate", _reactivate),
    Route(
        "GET",
        "/v1/billing/meters/<id>/event_summaries",
        _summaries,
        {
            **PAGING,
            "customer": required(text()),
            "end_time": required(integer()),
            "start_time": required(integer()),
            "value_grouping_window": text(choices=("day", "hour")),
        },
    ),
]
