"""Start-up checks: a system that would bill wrongly refuses to start."""

import re
from collections.abc import Sequence

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, ProgrammingError, connection

# dj-stripe demands the same of a key, but only when the first webhook comes.
_KEY = re.compile(r"(sk|rk)_(live|test)_[a-zA-Z0-9]{24,}")
_SIGNING_SECRET = re.compile(r"whsec_[a-zA-Z0-9+/=_-]+")


def refuse_unfit_keys() -> None:
    """Refuse to start a process with a key that would bill wrongly or could not bill.

    Servers and workers do not run Django's checks by themselves, so they call this. Raises
    ImproperlyConfigured.
    """
    errors = [*stripe_key_fits_host(), *stripe_host_is_private(), *thin_webhook_secret_is_one()]
    if errors:
        raise ImproperlyConfigured(f"{errors[0].msg} {errors[0].hint}")


def refuse_moved_clock() -> None:
    """Refuse to start a process over a database whose clock was moved, outside the sandbox.

    Raises ImproperlyConfigured. A database that can't be reached yet is no reason.
    """
    try:
        errors = clock_is_real(databases=["default"])
    except OperationalError:
        return
    finally:
        connection.close()
    if errors:
        raise ImproperlyConfigured(f"{errors[0].msg} {errors[0].hint}")


@register(Tags.database)
def clock_is_real(databases: Sequence[str] | None = None, **_: object) -> list[CheckMessage]:
    """Refuse a moved clock unless the Stripe host is the sandbox."""
    if settings.STRIPE_IS_SANDBOX or not databases or "default" not in databases:
        return []
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM bencher_clockoffset WHERE ahead <> interval '0'")
            moved = cursor.fetchone() is not None
    except ProgrammingError:  # Before the first migrate there is no such table.
        return []
    if not moved:
        return []
    return [
        Error(
            "The database carries a moved clock, but STRIPE_API_BASE is not the sandbox.",
            hint="Use a fresh database: this one was a sandbox and its periods are not real.",
            id="bencher.E001",
        )
    ]


@register()
def stripe_key_fits_host(**_: object) -> list[CheckMessage]:
    """Refuse a key that is none, a live key anywhere but at Stripe, and a test key in production.

    No message shows any part of a key.
    """
    key: str = settings.STRIPE_SECRET_KEY
    if not key:
        return []
    if not _KEY.fullmatch(key):
        return [_malformed(key)]
    live = key.startswith(("sk_live_", "rk_live_"))
    if live and settings.STRIPE_API_BASE != settings.STRIPE_PUBLIC_API:
        return [
            Error(
                "STRIPE_SECRET_KEY is a live key, but STRIPE_API_BASE is not Stripe's own host.",
                hint="Unset STRIPE_API_BASE, or use a test key.",
                id="bencher.E002",
            )
        ]
    if not live and not settings.STRIPE_IS_SANDBOX and not settings.STRIPE_ALLOW_TEST_KEY:
        return [
            Error(
                "STRIPE_SECRET_KEY is a test key: nobody would really be charged.",
                hint="Set the live key; a staging system sets STRIPE_ALLOW_TEST_KEY=true.",
                id="bencher.E003",
            )
        ]
    return []


def _malformed(key: str) -> CheckMessage:
    if key.startswith("pk_"):
        problem = "STRIPE_SECRET_KEY is a publishable key, which may do next to nothing."
    elif key.startswith("whsec_"):
        problem = "STRIPE_SECRET_KEY is the secret of a webhook, not a key."
    elif key != key.strip():
        problem = "STRIPE_SECRET_KEY has a space or a line break before or after it."
    else:
        problem = "STRIPE_SECRET_KEY is not a key of Stripe's, or not the whole of one."
    return Error(
        problem,
        hint="Set a secret key (sk_live_… or sk_test_…) or a restricted one (rk_live_… or"
        " rk_test_…) from Stripe's dashboard, whole and without quotes.",
        id="bencher.E004",
    )


@register()
def stripe_host_is_private(**_: object) -> list[CheckMessage]:
    """Refuse to send the key in the clear, to any host but the sandbox on this machine."""
    if settings.STRIPE_IS_SANDBOX or settings.STRIPE_API_BASE.startswith("https://"):
        return []
    return [
        Error(
            "STRIPE_API_BASE is not https, so the key would be sent in the clear.",
            hint="Use an https address, or the sandbox on this machine (http://127.0.0.1:…).",
            id="bencher.E005",
        )
    ]


@register()
def thin_webhook_secret_is_one(**_: object) -> list[CheckMessage]:
    """Refuse a signing secret that can't be one: every meter error would be taken for forged."""
    secret: str = settings.STRIPE_THIN_WEBHOOK_SECRET
    if not secret or _SIGNING_SECRET.fullmatch(secret):
        return []
    return [
        Error(
            "STRIPE_THIN_WEBHOOK_SECRET is not a signing secret of Stripe's.",
            hint="It begins with whsec_; `manage.py stripe_setup` prints it when it makes the"
            " event destination, and Stripe's dashboard shows it ever after.",
            id="bencher.E006",
        )
    ]
