"""Events, as requests see them."""

from fnmatch import fnmatchcase

from tests.stripe_sandbox.listing import PAGING, created_within, page
from tests.stripe_sandbox.parameters import boolean, created_filter, sequence, text
from tests.stripe_sandbox.routing import Call, Route, retrieve
from tests.stripe_sandbox.state import Json


def _list(call: Call) -> Json:
    params = call.params
    patterns = params.get("types", [params["type"]] if "type" in params else ["*"])
    rows = [
        row
        for row in call.world.newest_first("event")
        if created_within(row, params.get("created"))
        and any(fnmatchcase(row["type"], pattern) for pattern in patterns)
        and (
            "delivery_success" not in params
            or (row["pending_webhooks"] == 0) == params["delivery_success"]
        )
    ]
    return page(rows, params, call.path, call.world.render)


ROUTES = [
    Route(
        "GET",
        "/v1/events",
        _list,
        {
            **PAGING,
            "created": created_filter(),
            "delivery_success": boolean(),
            "type": text(),
            "types": sequence(text()),
        },
    ),
    retrieve("event", "/v1/events/<id>"),
]
