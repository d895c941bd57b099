"""The customer portal: configurations, and sessions that lead to a simple page."""

from collections.abc import Mapping
from typing import Any

from tests.stripe_sandbox import cycles, payment_methods, subscriptions
from tests.stripe_sandbox.errors import ApiError, absent, unsupported
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
PRORATIONS = ("always_invoice", "create_prorations", "none")
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
                "proration_behavior": text(choices=PRORATIONS),
                "cancellation_reason": mapping(
                    {
                        "enabled": required(boolean()),
                        "options": sequence(text(choices=REASONS), clearable=True),
                    }
                ),
            }
        ),
        "subscription_update": mapping(
            {
                "enabled": boolean(),
                "default_allowed_updates": sequence(
                    text(choices=("price", "promotion_code", "quantity")), clearable=True
                ),
                "products": sequence(
                    mapping({"product": required(text()), "prices": required(sequence(text()))}),
                    clearable=True,
                ),
                "proration_behavior": text(choices=PRORATIONS),
            }
        ),
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
        if name == "subscription_update" and given.get("enabled"):
            _check_switching(given)
        given.pop("products", None)
        feature |= given
        if reason:
            feature["cancellation_reason"] |= reason
    names = ("active", "default_return_url", "name")
    configuration.update({name: params[name] for name in names if name in params})
    merge_metadata(configuration, params.get("metadata"))


def _check_switching(given: dict[str, Any]) -> None:
    for member in ("default_allowed_updates", "products"):
        if not given.get(member):
            param = f"features[subscription_update][{member}]"
            raise absent(param)


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
    flow = _flow(world, params.get("flow_data"), configuration, customer)
    identifier = new_id("bps_")
    session = {
        "id": identifier,
        "object": "billing_portal.session",
        "configuration": configuration["id"],
        "created": world.now,
        "customer": customer["id"],
        "customer_account": None,
        "flow": flow,
        "livemode": False,
        "locale": params.get("locale"),
        "on_behalf_of": None,
        "return_url": params.get("return_url", configuration["default_return_url"]),
        "url": f"{world.url}/p/session/{identifier}",
    }
    return world.render(world.add(session, "billing_portal.session.created"))


def _flow(
    world: World, given: dict[str, Any] | None, configuration: Json, customer: Json
) -> Json | None:
    """Return the one thing that a session is for, or refuse what the configuration forbids."""
    if given is None:
        return None
    kind = given["type"]
    feature = "subscription_update" if kind == "subscription_update_confirm" else kind
    if not configuration["features"][feature]["enabled"]:
        what = feature.replace("_", " ")
        raise ApiError(
            f"This subscription cannot be updated because the {what} feature in the portal "
            "configuration is disabled."
        )
    if kind not in {"payment_method_update", "subscription_cancel"}:
        raise unsupported(f"the flow {kind}", "flow_data[type]")
    cancel = given.get("subscription_cancel")
    if (kind == "subscription_cancel") != bool(cancel):
        param = f"flow_data[{kind}]"
        raise absent(param)
    if cancel:
        _check_cancelable(world, cancel["subscription"], customer)
    after = {"hosted_confirmation": None, "redirect": None, "type": "portal_homepage"}
    return {
        "after_completion": after | given.get("after_completion", {}),
        "customer_update": None,
        "subscription_cancel": {"retention": None, **cancel} if cancel else None,
        "subscription_update": None,
        "subscription_update_confirm": None,
        "type": kind,
    }


def _check_cancelable(world: World, identifier: str, customer: Json) -> None:
    param = "flow_data[subscription_cancel][subscription]"
    subscription = world.refer("subscription", identifier, param)
    if subscription["customer"] != customer["id"]:
        raise ApiError("The subscription belongs to another customer.", param=param)
    if subscription["ended_at"] or subscription["cancel_at_period_end"]:
        raise ApiError(
            "This subscription cannot be canceled because it has ended or is set to.", param=param
        )


def act(world: World, session: Json, form: Mapping[str, str]) -> str:
    """Do what a button of the page does, and return where to go next.

    Raises ApiError for a card that is declined and for what the configuration forbids.
    """
    features = world.state.tables[TABLE][session["configuration"]]["features"]
    match form.get("action"):
        case "cancel" if features["subscription_cancel"]["enabled"]:
            subscription = _own(world, session, form["subscription"])
            if features["subscription_cancel"]["mode"] == "immediately":
                cycles.cancel_now(world, subscription, invoice_now=False)
            else:
                with world.changing(subscription, "customer.subscription.updated"):
                    cycles.schedule_end(world, subscription)
        case "resume" if features["subscription_cancel"]["enabled"]:
            subscription = _own(world, session, form["subscription"])
            with world.changing(subscription, "customer.subscription.updated"):
                cycles.keep(subscription)
        case "card" if features["payment_method_update"]["enabled"]:
            customer = world.refer("customer", session["customer"], "customer")
            payment_methods.replace(world, customer, form["card"])
        case _:
            raise ApiError("The portal's configuration does not allow that.", status=403)
    redirect = ((session["flow"] or {}).get("after_completion") or {}).get("redirect")
    return str(redirect["return_url"] if redirect else session["url"])


def _own(world: World, session: Json, identifier: str) -> Json:
    subscription = world.refer("subscription", identifier, "subscription")
    if subscription["customer"] != session["customer"] or subscription["ended_at"]:
        raise ApiError("No such subscription.", status=404)
    return subscription


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


FLOW = mapping(
    {
        "after_completion": mapping(
            {
                "hosted_confirmation": mapping({"custom_message": text()}),
                "redirect": mapping({"return_url": required(text())}),
                "type": required(
                    text(choices=("hosted_confirmation", "portal_homepage", "redirect"))
                ),
            }
        ),
        "subscription_cancel": mapping({"subscription": required(text())}),
        "subscription_update": mapping({"subscription": required(text())}),
        "subscription_update_confirm": mapping(
            {"items": required(sequence(subscriptions.ITEM_CHANGE)), "subscription": text()}
        ),
        "type": required(
            text(
                choices=(
                    "payment_method_update",
                    "subscription_cancel",
                    "subscription_update",
                    "subscription_update_confirm",
                )
            )
        ),
    }
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
            "flow_data": FLOW,
            "locale": text(),
            "return_url": text(),
        },
    ),
]
