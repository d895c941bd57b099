"""What every page may show of the site."""

from django.conf import settings
from django.http import HttpRequest

# Without a mail server, mails are written to the output of whatever process sends them.
_PRINTED = "django.core.mail.backends.console.EmailBackend"


def site(request: HttpRequest) -> dict[str, object]:
    """Return the context that the base template needs."""
    return {
        "payments_are_sandbox": settings.STRIPE_IS_SANDBOX and settings.BILLING_CONFIGURED,
        "billing_configured": settings.BILLING_CONFIGURED,
        "mail_is_printed": settings.EMAIL_BACKEND == _PRINTED,
        "terms_url": settings.TERMS_URL,
    }
