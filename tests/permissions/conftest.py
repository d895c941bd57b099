"""One world for a module; each case is undone behind itself."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import transaction
from pytest_django import DjangoDbBlocker

from tests.permissions import world
from tests.permissions.world import World


@contextmanager
def undone() -> Iterator[None]:
    """Undo whatever happens within; the owners of transactions may still be durable."""
    block = transaction.atomic()
    block._from_testcase = True  # type: ignore[attr-defined]
    with block:
        yield
        transaction.set_rollback(True)


@pytest.fixture(scope="module")
def everybody(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    """Return the world of the matrix."""
    with django_db_blocker.unblock(), undone():
        yield world.build()
