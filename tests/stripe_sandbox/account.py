"""The account that owns the keys; dj-stripe asks for it before anything else."""

from tests.stripe_sandbox.errors import missing
from tests.stripe_sandbox.routing import Call, Route
from tests.stripe_sandbox.state import Json

ACCOUNT_ID = "acct_1SandboxSandbox"
NAME = "Stripe sandbox stand-in"


def account() -> Json:
    """Return the one account there is."""
    return {
        "id": ACCOUNT_ID,
        "object": "account",
        "business_profile": {"name": NAME, "url": None, "support_email": None},
        "business_type": "company",
        "capabilities": {"card_payments": "active", "transfers": "active"},
        "charges_enabled": True,
        "country": "US",
        "created": 1_700_000_000,
        "default_currency": "usd",
        "details_submitted": True,
        "email": "sandbox@example.com",
        "metadata": {},
        "payouts_enabled": True,
        "settings": {
            "branding": {"icon": None, "logo": None, "primary_color": None},
            "dashboard": {"display_name": NAME, "timezone": "Etc/UTC"},
        },
        "type": "standard",
    }


def _own(call: Call) -> Json:
    return account()


def _by_id(call: Call) -> Json:
    if call.ids["id"] != ACCOUNT_ID:
        raise missing("account", call.ids["id"], "id")
    return account()


ROUTES = [Route("GET", "/v1/account", _own), Route("GET", "/v1/accounts/<id>", _by_id)]
