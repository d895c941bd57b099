"""Links to Stripe's dashboard, and to what is mirrored of Stripe here, by the ids of objects."""

from django.conf import settings
from django.urls import reverse

_DASHBOARD = "https://dashboard.stripe.com"

# By the prefix of an id: where the dashboard has it, and the model of its mirror.
_PLACES = {
    "sub": ("subscriptions", "subscription"),
    "cus": ("customers", "customer"),
    "in": ("invoices", "invoice"),
    "price": ("prices", "price"),
    "prod": ("products", "product"),
}


def dashboard(object_id: str) -> str:
    """Return the address of an object in Stripe's dashboard; empty for one that has no page."""
    place = _PLACES.get(object_id.partition("_")[0])
    mode = "" if settings.STRIPE_LIVE_MODE else "/test"
    return f"{_DASHBOARD}{mode}/{place[0]}/{object_id}" if place else ""


def mirrored(object_id: str) -> str:
    """Return the address of the list of what is mirrored here, with only this object."""
    place = _PLACES.get(object_id.partition("_")[0])
    if place is None:
        return ""
    return f"{reverse(f'admin:djstripe_{place[1]}_changelist')}?q={object_id}"
