"""The customer portal: configurations, and sessions that lead to a simple page."""

from typing import Any

from tests.stripe_sandbox.errors import ApiError
from tests.stripe_sandbox.parameters import (
    Field,
    boolean,
    mapping,
    required,
    sequence,
    strings,
    text,
)
from tests.stripe_sandbox.routing import Call, Route, listing, retrieve
from tests.stripe_sandbox.state import Json, new_id
from tests.stripe_sandbox.world import World, merge_metadata

TABLE = "billing_portal.configuration"
REASONS = (
    "customer_service",
    "low_quality",
    "missing_features",
    "other",
    "switched_service",
    "too_complex",
    "too_expensive",
    "unused",
)
SWITCH = mapping({"enabled": required(boolean())})
FEATURES = mapping(
    {
        "customer_update": mapping(
            {"enabled": boolean(), "allowed_updates": sequence(text(), clearable=True)}
        ),
        "invoice_history": SWITCH,
        "payment_method_update": SWITCH,
        "subscription_cancel": mapping(
            {
                "enabled": required(boolean()),
                "mode": text(choices=("at_period_end", "immediately")),
                "proration_behavior": text(choices=("always_invoice", "create_prorations", "none")),
                "cancellation_reason": mapping(
                    {
                        "enabled": required(boolean()),
                        "options": sequence(text(choices=REASONS), clearable=True),
                    }
                ),
            }
        ),
        "subscription_update": SWITCH,
    }
)
PROFILE = mapping(
    {
        name: text(clearable=True)
        for name in ("headline", "privacy_policy_url", "terms_of_service_url")
    }
)
WRITABLE: dict[str, Field] = {
    "business_profile": PROFILE,
    "default_return_url": text(clearable=True),
    "features": FEATURES,
    "metadata": strings(),
    "name": text(clearable=True),
}


def _create_configuration(call: Call) -> Json:
    world, params = call.world, call.params
    first = not world.state.tables[TABLE]
    configuration: Json = {
        "id": new_id("bpc_"),
        "object": TABLE,
        "active": True,
        "application": None,
        "business_profile": dict.fromkeys(
            ("headline", "privacy_policy_url", "terms_of_service_url")
        ),
        "created": world.now,
        "default_return_url": None,
        "features": _no_features(),
        "is_default": first,
        "livemode": False,
        "login_page": {"enabled": False, "url": None},
        "metadata": {},
        "name": None,
        "updated": world.now,
    }
    _fill(configuration, params)
    return world.render(world.add(configuration, f"{TABLE}.created"))


def _update_configuration(call: Call) -> Json:
    world = call.world
    configuration = world.find(TABLE, call.ids["id"])
    with world.changing(configuration, f"{TABLE}.updated"):
        _fill(configuration, call.params)
        configuration["updated"] = world.now
    return world.render(configuration)


def _fill(configuration: Json, params: dict[str, Any]) -> None:
    configuration["business_profile"] |= params.get("business_profile", {})
    for name, given in params.get("features", {}).items():
        feature = configuration["features"][name]
        reason = given.pop("cancellation_reason", None)
        feature |= given
        if reason:
            feature["cancellation_reason"] |= reason
    names = ("active", "default_return_url", "name")
    configuration.update({name: params[name] for name in names if name in params})
    merge_metadata(configuration, params.get("metadata"))


def _no_features() -> Json:
    return {
        "customer_update": {"allowed_updates": [], "enabled": False},
        "invoice_history": {"enabled": False},
        "payment_method_update": {"enabled": False, "payment_method_configuration": None},
        "subscription_cancel": {
            "cancellation_reason": {"enabled": False, "options": []},
            "enabled": False,
            "mode": "at_period_end",
            "proration_behavior": "none",
        },
        "subscription_update": {
            "default_allowed_updates": [],
            "enabled": False,
            "proration_behavior": "none",
            "schedule_at_period_end": {"conditions": []},
            "trial_update_behavior": "end_trial",
        },
    }


def _create_session(call: Call) -> Json:
    world, params = call.world, call.params
    customer = world.refer("customer", params["customer"], "customer")
    configuration = _configuration(world, params.get("configuration"))
    identifier = new_id("bps_")
    session = {
        "id": identifier,
        "object": "billing_portal.session",
        "configuration": configuration["id"],
        "created": world.now,
        "customer": customer["id"],
        "customer_account": None,
        "flow": None,
        "livemode": False,
        "locale": params.get("locale"),
        "on_behalf_of": None,
        "return_url": params.get("return_url", configuration["default_return_url"]),
        "url": f"{world.url}/p/session/{identifier}",
    }
    return world.render(world.add(session, "billing_portal.session.created"))


def _configuration(world: World, identifier: str | None) -> Json:
    if identifier:
        return world.refer(TABLE, identifier, "configuration")
    for configuration in world.state.tables[TABLE].values():
        if configuration["is_default"]:
            return configuration
    raise ApiError(
        "No configuration provided and your test mode default configuration has not been created. "
        "Provide a configuration or create your default by saving your customer portal settings."
    )


ROUTES = [
    Route(
        "POST",
        "/v1/billing_portal/configurations",
        _create_configuration,
        {**WRITABLE, "features": required(FEATURES)},
    ),
    listing(
        TABLE,
        "/v1/billing_portal/configurations",
        active=boolean(),
        is_default=boolean(),
    ),
    retrieve(TABLE, "/v1/billing_portal/configurations/<id>"),
    Route(
        "POST",
        "/v1/billing_portal/configurations/<id>",
        _update_configuration,
        {**WRITABLE, "active": boolean()},
    ),
    Route(
        "POST",
        "/v1/billing_portal/sessions",
        _create_session,
        {
            "configuration": text(),
            "customer": required(text()),
            "locale": text(),
            "return_url": text(),
        },
    ),
]
