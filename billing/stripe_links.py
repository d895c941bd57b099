"""Links to Stripe's own pages: only to Stripe's hosts, whatever an object of theirs says."""

from urllib.parse import urlsplit

from django.conf import settings


def checked(url: str) -> str:
    """Return an address that people may be sent to; empty for any other.

    That is https at stripe.com, or the sandbox that stands in for it here.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "https" and (host == "stripe.com" or host.endswith(".stripe.com")):
        return url
    if settings.STRIPE_IS_SANDBOX and url.startswith(f"{settings.STRIPE_API_BASE}/"):
        return url
    return ""
