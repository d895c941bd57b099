"""Acme with Alice and Bob, Globex with Charlie, and a client for each of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client

from bencher.tenancy.models import Organization, User
from series.models import Project, Visibility
from tests.factories import (
    make_member,
    make_organization,
    make_project,
    make_project_key,
    make_user,
    make_user_key,
)


class Api(Client):
    """A caller who sends and reads JSON."""

    def call(self, method: str, path: str, body: Any = None, *, status: int) -> Any:
        """Call an address under /v0, assert the status, return the decoded answer."""
        response = self.send(method, path, body)
        assert response.status_code == status, response.content
        return response.json() if response.content else None

    def send(self, method: str, path: str, body: Any = None) -> Any:
        """Call an address under /v0."""
        call: Callable[..., Any] = getattr(self, method)
        if method == "get":
            return call(f"/v0/{path}", body)
        return call(f"/v0/{path}", body, content_type="application/json")


@dataclass(frozen=True)
class World:
    """Who there is."""

    acme: Organization
    globex: Organization
    engine: Project
    site: Project
    alice: User
    bob: User
    charlie: User


@pytest.fixture
def world(db: None) -> World:
    """Return Acme, with a private and a public project, and Globex."""
    alice, bob, charlie = make_user("alice"), make_user("bob"), make_user("charlie")
    acme = make_organization("Acme", leader=alice)
    make_member(bob, acme)
    return World(
        acme=acme,
        globex=make_organization("Globex", leader=charlie),
        engine=make_project("Engine", organization=acme, visibility=Visibility.PRIVATE),
        site=make_project("Site", organization=acme, visibility=Visibility.PUBLIC),
        alice=alice,
        bob=bob,
        charlie=charlie,
    )


def by_key(key: str) -> Api:
    """Return a caller with a key."""
    return Api(headers={"authorization": f"Bearer {key}"})


@pytest.fixture
def alice(world: World) -> Api:
    """Return Acme's leader."""
    return by_key(make_user_key(world.alice))


@pytest.fixture
def bob(world: World) -> Api:
    """Return a member of Acme."""
    return by_key(make_user_key(world.bob))


@pytest.fixture
def charlie(world: World) -> Api:
    """Return Globex's leader, a stranger to Acme."""
    return by_key(make_user_key(world.charlie))


@pytest.fixture
def root(world: World) -> Api:
    """Return somebody of the staff."""
    return by_key(make_user_key(make_user("root", is_staff=True)))


@pytest.fixture
def ci(world: World) -> Api:
    """Return Acme's Engine itself, by its key."""
    return by_key(make_project_key(world.engine))


@pytest.fixture
def browser(world: World) -> Api:
    """Return Alice signed in in a browser; CSRF counts."""
    browser = Api(enforce_csrf_checks=True)
    browser.force_login(world.alice)
    return browser
