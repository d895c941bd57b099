"""What every page may show of the site."""

from django.conf import settings
from django.http import HttpRequest


def site(request: HttpRequest) -> dict[str, object]:
    """Return the context that the base template needs."""
    return {
        "payments_are_sandbox": settings.STRIPE_IS_SANDBOX and settings.BILLING_CONFIGURED,
        "billing_configured": settings.BILLING_CONFIGURED,
    }
