"""A member of staff at their desk, in November."""

from collections.abc import Callable
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.db import connection
from django.test import Client

from bencher import clock
from bencher.tenancy.models import User
from tests import factories
from tests.admin.rows import NOW
from tests.pages.reading import soup, words
from tests.staffing import desk_of

Front = Callable[[], dict[str, dict[str, str]]]


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


@pytest.fixture
def front(desk: Client) -> Front:
    """Return a function that reads the tiles by title."""

    def read() -> dict[str, dict[str, str]]:
        return {tile["title"]: tile for tile in map(_tile, page_of(desk).select("a.tile"))}

    return read


def page_of(desk: Client) -> BeautifulSoup:
    """Return the front page."""
    response = desk.get("/admin/")
    assert response.status_code == 200
    return soup(response)


def _tile(tile: Any) -> dict[str, str]:
    badge = tile.select_one(".badge")
    return {
        "title": words(tile.select_one(".tile__title")),
        "figure": words(tile.select_one(".tile__figure")),
        "detail": words(tile.select_one(".tile__detail")),
        "tone": words(badge) if badge else "",
        "address": str(tile["href"]),
    }
