"""The one clock: the database's, plus an offset that only the sandbox may move.

Read it at the edges (views, tasks, commands) and pass the instant in. Everything below the edges
is a function of its arguments.
"""

from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import connection

# The offset is a row, not a setting, so that every process of a local run jumps together.
_WITH_OFFSET = (
    "(statement_timestamp() + coalesce((SELECT ahead FROM bencher_clockoffset WHERE id = 1),"
    " interval '0'))"
)


def sql() -> str:
    """Return the SQL expression for the instant at which a statement began (timestamptz).

    For the few statements that must carry their own time: a count and its meter event.
    """
    return _WITH_OFFSET if settings.STRIPE_IS_SANDBOX else "statement_timestamp()"


def now() -> datetime:
    """Return the present instant, aware and in UTC, by the database's clock."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {sql()}")
        row = cursor.fetchone()
    assert row is not None
    instant: datetime = row[0]
    return instant.astimezone(UTC)


class OffsetRefusedError(RuntimeError):
    """The clock was asked to move although the Stripe host is not the sandbox."""


def set_ahead(ahead: timedelta) -> None:
    """Move the sandbox's clock to `ahead` of the real one.

    Raises OffsetRefusedError unless STRIPE_API_BASE names the sandbox.
    """
    if not settings.STRIPE_IS_SANDBOX:
        raise OffsetRefusedError(
            "The clock moves only against the Stripe sandbox; STRIPE_API_BASE names another host."
        )
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO bencher_clockoffset (id, ahead) VALUES (1, %s)"
            " ON CONFLICT (id) DO UPDATE SET ahead = excluded.ahead",
            # psycopg adapts it, which the stubs do not know.
            [ahead],  # type: ignore[list-item]
        )
