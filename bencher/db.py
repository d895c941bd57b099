"""Ownership of transactions: low-level writers demand one and never open one."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from django.db import connection
from django.db.transaction import TransactionManagementError

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
