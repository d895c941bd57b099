"""Payment methods: test cards, by Stripe's test tokens or by number.

A card that ends in 0341 can be saved, and every later charge of it is declined; 0002 is declined
at once. All other known test numbers work.
"""

from typing import Any

from tests.stripe_sandbox.errors import ApiError, absent
from tests.stripe_sandbox.listing import PAGING, page
from tests.stripe_sandbox.parameters import Field, integer, mapping, required, strings, text
from tests.stripe_sandbox.routing import Call, Route, retrieve
from tests.stripe_sandbox.state import Json, new_id
from tests.stripe_sandbox.world import World, merge_metadata

# Test token: brand and number.
TOKENS: dict[str, tuple[str, str]] = {
    "pm_card_visa": ("visa", "4242424242424242"),
    "pm_card_mastercard": ("mastercard", "5555555555554444"),
    "pm_card_amex": ("amex", "378282246310005"),
    "pm_card_chargeCustomerFail": ("visa", "4000000000000341"),
    "pm_card_chargeDeclined": ("visa", "4000000000000002"),
}
NUMBERS = {number: brand for brand, number in TOKENS.values()}
DECLINED_LATER, DECLINED_AT_ONCE = "0341", "0002"
BILLING_DETAILS = mapping({name: text(clearable=True) for name in ("email", "name", "phone")})


def create_card(world: World, number: str, *, brand: str) -> Json:
    """Create a card that belongs to nobody yet."""
    return world.add(
        {
            "id": new_id("pm_"),
            "object": "payment_method",
            "allow_redisplay": "unspecified",
            "billing_details": {
                "address": None,
                "email": None,
                "name": None,
                "phone": None,
                "tax_id": None,
            },
            "card": {
                "brand": brand,
                "checks": {
                    "address_line1_check": None,
                    "address_postal_code_check": None,
                    "cvc_check": "pass",
                },
                "country": "US",
                "display_brand": brand,
                "exp_month": 12,
                "exp_year": 2034,
                "fingerprint": f"sandbox{number[-4:]}",
                "funding": "credit",
                "generated_from": None,
                "last4": number[-4:],
                "networks": {"available": [brand], "preferred": None},
                "regulated_status": "unregulated",
                "three_d_secure_usage": {"supported": True},
                "wallet": None,
            },
            "created": world.now,
            "customer": None,
            "customer_account": None,
            "livemode": False,
            "metadata": {},
            "type": "card",
        }
    )


def declines(method: Json) -> bool:
    """Say whether charging a saved card fails."""
    return bool(method["card"]["last4"] in {DECLINED_LATER, DECLINED_AT_ONCE})


def declined() -> ApiError:
    """Return the refusal of a card."""
    return ApiError("Your card was declined.", status=402, code="card_declined", kind="card_error")


def refer(world: World, identifier: str, param: str, *, customer: str | None = None) -> Json:
    """Return the method that a parameter names; a test token makes a new card of it.

    With `customer`, a method of somebody else (or of nobody) is refused.
    """
    if identifier in TOKENS:
        brand, number = TOKENS[identifier]
        method = create_card(world, number, brand=brand)
        return attach(world, method["id"], customer) if customer else method
    method = world.refer("payment_method", identifier, param)
    if customer and method["customer"] != customer:
        raise ApiError(
            "The customer does not have a payment method with the ID "
            f"{identifier}. The payment method must be attached to the customer.",
            code="resource_missing",
            param=param,
        )
    return method


def attach(world: World, identifier: str, customer: str) -> Json:
    """Attach a method, or refuse a card that is declined at once."""
    method = refer(world, identifier, "payment_method")
    if method["card"]["last4"] == DECLINED_AT_ONCE:
        raise declined()
    if method["customer"] not in {None, customer}:
        raise ApiError(
            "The payment method you provided has already been attached to a customer.",
            code="payment_method_unexpected_state",
        )
    if method["customer"] is None:
        method["customer"] = customer
        world.emit("payment_method.attached", method)
    return method


def replace(world: World, customer: Json, token: str) -> Json:
    """Attach a new card and charge everything of the customer to it from now on."""
    method = attach(world, token, customer["id"])
    with world.changing(customer, "customer.updated"):
        customer["invoice_settings"]["default_payment_method"] = method["id"]
    for subscription in world.state.tables["subscription"].values():
        if subscription["customer"] == customer["id"] and not subscription["ended_at"]:
            with world.changing(subscription, "customer.subscription.updated"):
                subscription["default_payment_method"] = method["id"]
    return method


def for_invoice(world: World, invoice: Json) -> Json | None:
    """Return the method an invoice is charged to: its own, the subscription's, the customer's."""
    details = invoice["parent"]["subscription_details"]
    subscription = world.state.tables["subscription"][details["subscription"]]
    customer = world.state.tables["customer"][invoice["customer"]]
    return _first(
        world,
        invoice["default_payment_method"],
        subscription["default_payment_method"],
        customer["invoice_settings"]["default_payment_method"],
    )


def for_subscription(world: World, subscription: Json) -> Json | None:
    """Return the method a subscription would be charged to, if it has one."""
    customer = world.state.tables["customer"][subscription["customer"]]
    return _first(
        world,
        subscription["default_payment_method"],
        customer["invoice_settings"]["default_payment_method"],
    )


def _first(world: World, *identifiers: str | None) -> Json | None:
    methods = world.state.tables["payment_method"]
    return next((methods[identifier] for identifier in identifiers if identifier), None)


def of_customer(path: str) -> Route:
    """Return the route that lists the methods of the customer in the path."""

    def handle(call: Call) -> Json:
        call.world.refer("customer", call.ids["id"], "id")
        return _page(call, call.ids["id"])

    return Route("GET", path, handle, {**PAGING, "type": text()})


def _list(call: Call) -> Json:
    return _page(call, call.params.get("customer"))


def _page(call: Call, customer: str | None) -> Json:
    rows = [
        row
        for row in call.world.newest_first("payment_method")
        if customer is not None
        and row["customer"] == customer
        and call.params.get("type", "card") == row["type"]
    ]
    return page(rows, call.params, call.path, call.world.render)


def _create(call: Call) -> Json:
    params = call.params
    card: dict[str, Any] = params.get("card", {})
    if "number" not in card:
        raise absent("card[number]")
    number = card["number"].replace(" ", "")
    if number not in NUMBERS:
        raise ApiError(
            "This is a sandbox: only Stripe's test card numbers work here.",
            status=402,
            kind="card_error",
            code="incorrect_number",
            param="card[number]",
        )
    method = create_card(call.world, number, brand=NUMBERS[number])
    method["card"] |= {name: card[name] for name in ("exp_month", "exp_year") if name in card}
    method["billing_details"] |= params.get("billing_details", {})
    merge_metadata(method, params.get("metadata"))
    return call.world.render(method)


def _update(call: Call) -> Json:
    world, params = call.world, call.params
    method = world.find("payment_method", call.ids["id"])
    with world.changing(method, "payment_method.updated"):
        method["billing_details"] |= params.get("billing_details", {})
        merge_metadata(method, params.get("metadata"))
    return world.render(method)


def _attach(call: Call) -> Json:
    world = call.world
    customer = world.refer("customer", call.params["customer"], "customer")
    if call.ids["id"] not in TOKENS:
        world.find("payment_method", call.ids["id"])
    return world.render(attach(world, call.ids["id"], customer["id"]))


def _detach(call: Call) -> Json:
    world = call.world
    method = world.find("payment_method", call.ids["id"])
    customer = world.state.tables["customer"].get(method["customer"] or "")
    if customer is None:
        raise ApiError("The payment method you provided is not attached to a customer.")
    with world.changing(method, "payment_method.detached"):
        method["customer"] = None
    settings = customer["invoice_settings"]
    owners = [settings, *world.state.tables["subscription"].values()]
    for owner in owners:
        if owner["default_payment_method"] == method["id"]:
            owner["default_payment_method"] = None
    return world.render(method)


WRITABLE: dict[str, Field] = {"billing_details": BILLING_DETAILS, "metadata": strings()}

ROUTES = [
    Route(
        "POST",
        "/v1/payment_methods",
        _create,
        {
            **WRITABLE,
            "type": required(text(choices=("card",))),
            "card": mapping(
                {
                    "number": text(),
                    "exp_month": integer(minimum=1, maximum=12),
                    "exp_year": integer(),
                    "cvc": text(),
                }
            ),
        },
    ),
    Route("GET", "/v1/payment_methods", _list, {**PAGING, "customer": text(), "type": text()}),
    retrieve("payment_method", "/v1/payment_methods/<id>"),
    Route("POST", "/v1/payment_methods/<id>", _update, WRITABLE),
    Route("POST", "/v1/payment_methods/<id>/attach", _attach, {"customer": required(text())}),
    Route("POST", "/v1/payment_methods/<id>/detach", _detach),
]
