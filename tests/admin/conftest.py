"""A member of staff at their desk, in November."""

import pytest
from django.db import connection
from django.test import Client

from bencher import clock
from bencher.tenancy.models import User
from tests import factories
from tests.admin.rows import NOW
from tests.staffing import desk_of


@pytest.fixture(autouse=True)
def in_november(db: None) -> None:
    """Set the site's clock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s - statement_timestamp()", [NOW])
        row = cursor.fetchone()
    assert row is not None
    clock.set_ahead(row[0])


@pytest.fixture
def staff(db: None) -> User:
    """Return a member of staff who may do everything."""
    return factories.make_user("sam", is_staff=True)


@pytest.fixture
def desk(staff: User) -> Client:
    """Return the browser of that member of staff."""
    return desk_of(staff)
