"""Alice leads Acme, Bob is a member, Charlie belongs to Globex; Stripe is a stub."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.core.cache import caches
from django.db import connection
from django.test import Client

from bencher import clock
from bencher.tenancy.models import Organization, User
from billing import gateway
from tests import factories
from tests.pages.stub import StubStripe

NOW = datetime(2026, 11, 18, 12, 3, 7, tzinfo=UTC)


@pytest.fixture(autouse=True)
def now(db: None) -> datetime:
    """Set the site's clock to a Wednesday in November; it goes on from there."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s - statement_timestamp()", [NOW])
        row = cursor.fetchone()
    assert row is not None
    clock.set_ahead(row[0])
    return NOW


@pytest.fixture(autouse=True)
def stripe(monkeypatch: pytest.MonkeyPatch) -> StubStripe:
    """Put a stub in the gateway's place."""
    stub = StubStripe()
    monkeypatch.setattr(gateway, "connect", lambda: stub)
    caches["process"].clear()
    return stub


@pytest.fixture
def alice(db: None) -> User:
    """Return Acme's leader."""
    return factories.make_user("alice")


@pytest.fixture
def acme(alice: User) -> Organization:
    """Return Alice's organization."""
    return factories.make_organization("Acme", leader=alice)


@pytest.fixture
def bob(acme: Organization) -> User:
    """Return a plain member of Acme."""
    bob = factories.make_user("bob")
    factories.make_member(bob, acme)
    return bob


@pytest.fixture
def charlie(db: None) -> User:
    """Return the leader of another organization."""
    charlie = factories.make_user("charlie")
    factories.make_organization("Globex", leader=charlie)
    return charlie


@pytest.fixture
def browser_of() -> Callable[[User], Client]:
    """Return a function that gives a user's signed-in browser."""

    def browser(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return browser
