"""Start-up checks: a system that would bill wrongly refuses to start."""

from collections.abc import Sequence

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, ProgrammingError, connection


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
    """Refuse a live key with the sandbox, and a test key in production."""
    key: str = settings.STRIPE_SECRET_KEY
    live = key.startswith(("sk_live_", "rk_live_"))
    if live and settings.STRIPE_IS_SANDBOX:
        return [
            Error(
                "STRIPE_SECRET_KEY is a live key, but STRIPE_API_BASE is not Stripe's own host.",
                hint="Unset STRIPE_API_BASE, or use a test key.",
                id="bencher.E002",
            )
        ]
    if key and not live and not settings.STRIPE_IS_SANDBOX and not settings.STRIPE_ALLOW_TEST_KEY:
        return [
            Error(
                "STRIPE_SECRET_KEY is a test key: nobody would really be charged.",
                hint="Set the live key; a staging system sets STRIPE_ALLOW_TEST_KEY=true.",
                id="bencher.E003",
            )
        ]
    return []
