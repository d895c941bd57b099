"""Ownership of transactions: low-level writers demand one and never open one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

from django.db import OperationalError, connection
from django.db.transaction import TransactionManagementError

# Unattended work waits so long for a lock and then leaves the subject to its next run, so that one
# session that holds a lock for good does not stop the others' bills.
WAIT_SECONDS = 10.0
# A session that holds a lock and has been silent for so long is taken for dead and is ended.
SILENT_SECONDS = 60.0

_LOCK_NOT_AVAILABLE = "55P03"
_LOCK = "hashtextextended(%s, 0)"

P = ParamSpec("P")
R = TypeVar("R")


def transaction_required(function: Callable[P, R]) -> Callable[P, R]:
    """Refuse to run outside a transaction, so that the use case stays its only owner."""

    @wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        if not connection.in_atomic_block:
            raise TransactionManagementError(
                f"{function.__module__}.{function.__name__} must run inside a transaction of its"
                " caller's."
            )
        return function(*args, **kwargs)

    return wrapper


def silence_limit_sql() -> str:
    """Return an SQL expression that bounds how silent the rest of the transaction may be.

    To be evaluated before a lock is taken that others wait for; takes no round trip of its own.
    """
    milliseconds = int(SILENT_SECONDS * 1000)
    return f"set_config('idle_in_transaction_session_timeout', '{milliseconds}', true)"


def is_busy(error: OperationalError) -> bool:
    """Tell whether a statement waited for a lock as long as it was allowed to."""
    return getattr(error.__cause__, "sqlstate", None) == _LOCK_NOT_AVAILABLE


@contextmanager
def session_lock(name: str, *, wait: bool) -> Iterator[bool]:
    """Hold a lock of this session by its name, and yield whether it is held.

    Without waiting, it is not while another session has it. It is for work that is done outside a
    transaction because it asks Stripe; a session that dies lets it go.
    """
    with connection.cursor() as cursor:
        if wait:
            cursor.execute(f"SELECT pg_advisory_lock({_LOCK})", [name])
            is_held = True
        else:
            cursor.execute(f"SELECT pg_try_advisory_lock({_LOCK})", [name])
            is_held = bool(cursor.fetchall()[0][0])
    try:
        yield is_held
    finally:
        if is_held:
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT pg_advisory_unlock({_LOCK})", [name])


@transaction_required
def bound_waiting() -> None:
    """Bound how long this transaction waits for a lock and how long it may be silent.

    Past the first a statement raises OperationalError, past the second the session ends.
    """
    milliseconds = int(WAIT_SECONDS * 1000)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT set_config('lock_timeout', '{milliseconds}', true), {silence_limit_sql()}"
        )
