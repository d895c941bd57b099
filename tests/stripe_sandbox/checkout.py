"""Checkout sessions for subscriptions: created by the API, completed on the hosted page."""

from typing import Any

from tests.stripe_sandbox import customers, cycles, payment_methods, pricing, subscriptions
from tests.stripe_sandbox.errors import ApiError, unsupported
from tests.stripe_sandbox.parameters import (
    Field,
    boolean,
    integer,
    mapping,
    required,
    sequence,
    strings,
    text,
)
from tests.stripe_sandbox.routing import Call, Route, listing, retrieve
from tests.stripe_sandbox.state import Json, new_id
from tests.stripe_sandbox.world import World

DAY = 86400
GOOD_CARD, FAILING_CARD = "pm_card_visa", "pm_card_chargeCustomerFail"
DECLINED_CARD = "pm_card_chargeDeclined"


def _create(call: Call) -> Json:
    world, params = call.world, call.params
    if params["mode"] != "subscription":
        raise unsupported(f"mode {params['mode']}", "mode")
    customer = params.get("customer")
    if customer:
        world.refer("customer", customer, "customer")
    chosen = subscriptions.check_items(world, params["line_items"], "line_items")
    data = params.get("subscription_data", {})
    subscriptions.trial_end(world, data, "subscription_data")
    expires_at = params.get("expires_at", world.now + DAY)
    if not world.now + 30 * 60 <= expires_at <= world.now + DAY:
        raise ApiError(
            "The `expires_at` timestamp must be between 30 minutes and 24 hours from creation.",
            param="expires_at",
        )
    lines = [_line(world, item, position) for position, item in enumerate(chosen)]
    total = 0 if _has_trial(data) else sum(line["amount"] for line in lines)
    session = _session(world, params, lines, total, expires_at)
    session["_subscription_data"] = data
    return world.render(world.add(session))


def _line(world: World, item: Json, position: int) -> Json:
    price = world.state.tables["price"][item["price"]]
    quantity = None
    amount = 0
    if price["recurring"]["usage_type"] == "licensed":
        if not item.get("quantity"):
            raise ApiError(
                f"Quantity is required. Add `quantity` to `line_items[{position}]`",
                param=f"line_items[{position}][quantity]",
            )
        quantity = item["quantity"]
        amount = pricing.amount(price, quantity, flat_fee_at_zero=False)
    return {"id": new_id("li_"), "price": price["id"], "quantity": quantity, "amount": amount}


def _has_trial(data: dict[str, Any]) -> bool:
    return "trial_period_days" in data or "trial_end" in data


def _session(
    world: World, params: dict[str, Any], lines: list[Json], total: int, expires_at: int
) -> Json:
    customer = params.get("customer")
    consent = params.get("consent_collection")
    currency = world.state.tables["price"][lines[0]["price"]]["currency"]
    return {
        "id": new_id("cs_test_", 58),
        "object": "checkout.session",
        "_line_items": lines,
        "adaptive_pricing": {"enabled": False},
        "after_expiration": None,
        "allow_promotion_codes": None,
        "amount_subtotal": total,
        "amount_total": total,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "billing_address_collection": params.get("billing_address_collection"),
        "cancel_url": params.get("cancel_url"),
        "client_reference_id": params.get("client_reference_id"),
        "client_secret": None,
        "collected_information": None,
        "consent": {"promotions": None, "terms_of_service": None} if consent else None,
        "consent_collection": {
            "payment_method_reuse_agreement": None,
            "promotions": "none",
            "terms_of_service": "none",
            **consent,
        }
        if consent
        else None,
        "created": world.now,
        "currency": currency,
        "currency_conversion": None,
        "custom_fields": [],
        "custom_text": {
            "after_submit": None,
            "shipping_address": None,
            "submit": None,
            "terms_of_service_acceptance": None,
            **params.get("custom_text", {}),
        },
        "customer": customer,
        "customer_account": None,
        "customer_creation": None if customer else "always",
        "customer_details": None,
        "customer_email": params.get("customer_email"),
        "discounts": [],
        "expires_at": expires_at,
        "invoice": None,
        "invoice_creation": None,
        "livemode": False,
        "locale": params.get("locale"),
        "metadata": params.get("metadata", {}),
        "mode": "subscription",
        "origin_context": None,
        "payment_intent": None,
        "payment_link": None,
        "payment_method_collection": params.get("payment_method_collection", "always"),
        "payment_method_configuration_details": None,
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": ["card"],
        "payment_status": "unpaid",
        "permissions": None,
        "phone_number_collection": {"enabled": False},
        "recovered_from": None,
        "saved_payment_method_options": None,
        "setup_intent": None,
        "shipping_address_collection": None,
        "shipping_cost": None,
        "shipping_options": [],
        "status": "open",
        "submit_type": None,
        "subscription": None,
        "success_url": params["success_url"],
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": "hosted_page",
        "wallet_options": None,
    }


def declines(session: Json, card: str | None) -> bool:
    """Say whether a card is declined on the page, so that nothing happens and one may retry."""
    due = session["amount_total"] > 0
    return card == DECLINED_CARD or (card == FAILING_CARD and due)


def complete(world: World, session: Json, *, card: str | None) -> Json:
    """Do what the hosted page's button does: card, subscription, first invoice, event.

    Completing a session again changes nothing, as reloading the page must.
    """
    if session["status"] != "open":
        return session
    customer = _customer(world, session)
    method = payment_methods.attach(world, card, customer["id"]) if card else None
    data = session["_subscription_data"]
    subscription = cycles.start(
        world,
        cycles.Order(
            customer=customer["id"],
            items=[_item(line) for line in session["_line_items"]],
            metadata=data.get("metadata", {}),
            description=data.get("description"),
            default_payment_method=method["id"] if method else None,
            trial_end=subscriptions.trial_end(world, data, "subscription_data"),
            missing_payment_method=subscriptions.missing_payment_method(data),
            billing_cycle_anchor=data.get("billing_cycle_anchor"),
            billing_mode=data.get("billing_mode", {"type": "flexible"})["type"],
        ),
    )
    if session["consent"] and session["consent_collection"]["terms_of_service"] == "required":
        session["consent"]["terms_of_service"] = "accepted"
    session |= {
        "customer": customer["id"],
        "customer_details": {
            "address": customer["address"],
            "email": customer["email"],
            "name": customer["name"],
            "phone": customer["phone"],
            "tax_exempt": customer["tax_exempt"],
            "tax_ids": [],
        },
        "invoice": subscription["latest_invoice"],
        "payment_status": "paid" if session["amount_total"] else "no_payment_required",
        "status": "complete",
        "subscription": subscription["id"],
    }
    world.emit("checkout.session.completed", session)
    return session


def _item(line: Json) -> Json:
    return {"price": line["price"], "quantity": line["quantity"] or 0}


def _customer(world: World, session: Json) -> Json:
    if session["customer"]:
        return world.refer("customer", session["customer"], "customer")
    email = session["customer_email"] or "person@example.com"
    return customers.create(world, {"email": email})


def expire(world: World, session: Json) -> None:
    """Close an open session without a subscription."""
    session["status"] = "expired"
    world.emit("checkout.session.expired", session)


def _expire(call: Call) -> Json:
    session = call.world.find("checkout.session", call.ids["id"])
    if session["status"] != "open":
        raise ApiError(
            'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout '
            f"Session has a status of {session['status']}.",
            param="session",
        )
    expire(call.world, session)
    return call.world.render(session)


SUBSCRIPTION_DATA = mapping(
    {
        "billing_cycle_anchor": integer(),
        "billing_mode": subscriptions.BILLING_MODE,
        "description": text(maximum=500),
        "metadata": strings(),
        "proration_behavior": text(choices=("create_prorations", "none")),
        "trial_end": integer(),
        "trial_period_days": integer(minimum=1, maximum=730),
        "trial_settings": subscriptions.TRIAL_SETTINGS,
    }
)
MESSAGE = mapping({"message": required(text(maximum=1200))})
CREATE: dict[str, Field] = {
    "allow_promotion_codes": boolean(),
    "billing_address_collection": text(choices=("auto", "required")),
    "cancel_url": text(),
    "client_reference_id": text(maximum=200),
    "consent_collection": mapping(
        {
            "promotions": text(choices=("auto", "none")),
            "terms_of_service": text(choices=("none", "required")),
        }
    ),
    "custom_text": mapping({"submit": MESSAGE, "terms_of_service_acceptance": MESSAGE}),
    "customer": text(),
    "customer_email": text(),
    "expires_at": integer(),
    "line_items": required(sequence(subscriptions.ITEM)),
    "locale": text(),
    "metadata": strings(),
    "mode": required(text(choices=("payment", "setup", "subscription"))),
    "payment_method_collection": text(choices=("always", "if_required")),
    "payment_method_types": sequence(text(choices=("card",))),
    "subscription_data": SUBSCRIPTION_DATA,
    "success_url": required(text()),
    "ui_mode": text(choices=("hosted_page",)),
}

ROUTES = [
    Route("POST", "/v1/checkout/sessions", _create, CREATE),
    listing(
        "checkout.session",
        "/v1/checkout/sessions",
        customer=text(),
        status=text(choices=("complete", "expired", "open")),
        subscription=text(),
    ),
    retrieve("checkout.session", "/v1/checkout/sessions/<id>"),
    Route("POST", "/v1/checkout/sessions/<id>/expire", _expire),
]
