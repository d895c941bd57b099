"""Taking what names somebody out of Stripe's objects as dj-stripe mirrors them. Pure.

An object is redacted by what may stay: numbers, ids, states. A list of what must go would miss
whatever Stripe adds next.
"""

from typing import Any

# Strings under these stay: ids, and words that Stripe chooses from.
_KEPT = frozenset(
    {
        "id",
        "object",
        "type",
        "status",
        "currency",
        "mode",
        "reason",
        "livemode",
        "api_version",
        "event_name",
        "customer",
        "subscription",
        "invoice",
        "price",
        "product",
        "meter",
        "charge",
        "payment_intent",
        "payment_method",
        "setup_intent",
        "latest_invoice",
        "default_payment_method",
        "subscription_item",
        "invoice_item",
        "parent",
        "subscription_details",
        "price_details",
        "product_type",
        "client_reference_id",
        "organization",
        "billing_reason",
        "billing_scheme",
        "collection_method",
        "interval",
        "usage_type",
        "tiers_mode",
        "tax_behavior",
        "proration_behavior",
        "payment_status",
        "evidence_sha256",
        "statement",
        "period",
    }
)
# Strings beside a person's e-mail address that are the person's too.
_PERSONAL = frozenset(
    {
        "name",
        "email",
        "phone",
        "description",
        "individual_name",
        "business_name",
        "line1",
        "line2",
        "city",
        "state",
        "postal_code",
        "country",
        "receipt_email",
        "customer_email",
        "customer_name",
        "customer_phone",
    }
)
_OF_PERSON = ("address", "shipping", "customer_address", "customer_shipping", "metadata")


def of_customer(value: Any, *, key: str = "") -> Any:
    """Return a JSON value of a customer's without any text but ids and states."""
    match value:
        case dict():
            return {name: of_customer(one, key=name) for name, one in value.items()}
        case list():
            return [of_customer(one, key=key) for one in value]
        case str():
            return value if key in _KEPT or key.endswith("_decimal") else ""
        case _:
            return value


def of_person(value: Any, email: str) -> Any:
    """Return a JSON value without an e-mail address, and without what is said beside it.

    The name, telephone number and postal address in the same object go too.
    """
    match value:
        case dict() if any(_is(one, email) for one in value.values()):
            return {name: _beside(name, one, email) for name, one in value.items()}
        case dict():
            return {name: of_person(one, email) for name, one in value.items()}
        case list():
            return [of_person(one, email) for one in value]
        case str():
            return "" if email in value.lower() else value
        case _:
            return value


def _beside(name: str, value: Any, email: str) -> Any:
    if name in _OF_PERSON:
        return of_customer(value)
    if isinstance(value, str) and name in _PERSONAL:
        return ""
    return of_person(value, email)


def _is(value: Any, email: str) -> bool:
    return isinstance(value, str) and value.lower() == email
