"""Every page of organizations, people, projects and keys, asked for by everybody.

What each is to be answered comes from the rules: whoever is not signed in is asked to; a stranger
is told that there is nothing; members read projects and people; leaders do everything.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum, auto
from itertools import product

import pytest
from django.test import Client
from django.urls import NoReverseMatch, URLPattern, URLResolver, get_resolver, reverse
from pytest_django.plugin import DjangoDbBlocker

from bencher import clock
from bencher.tenancy import invitations
from bencher.tenancy.models import Role, User, UserKey
from series.models import ProjectKey, Visibility
from tests.factories import (
    make_member,
    make_organization,
    make_project,
    make_project_key,
    make_user,
    make_user_key,
)
from tests.permissions.conftest import undone

MODULES = (
    "bencher.tenancy.organization_views",
    "bencher.tenancy.member_views",
    "bencher.tenancy.invitation_views",
    "bencher.tenancy.key_views",
    "billing.project_views",
)


class Caller(StrEnum):
    """Who asks."""

    NOBODY = auto()
    STRANGER = auto()  # leads another organization
    MEMBER = auto()
    LEADER = auto()
    STAFF = auto()  # belongs to no organization; has the admin for its work
    USER_KEY = auto()  # the leader's key, which opens the API and no page
    PROJECT_KEY = auto()


class For(StrEnum):
    """Whom a page is for."""

    THE_INVITED = auto()
    EACH_FOR_THEMSELVES = auto()
    THE_SIGNED_IN = auto()
    MEMBERS = auto()
    LEADERS = auto()


@dataclass(frozen=True)
class Page:
    """A page: for whom it is, and the answers to GET and to an empty POST of theirs."""

    name: str
    whom: For
    get: int = 200
    post: int = 422

    def __str__(self) -> str:
        return self.name


PAGES = [
    Page("organization-new", For.THE_SIGNED_IN),
    Page("organization", For.MEMBERS, post=405),
    Page("members", For.MEMBERS, post=405),
    Page("organization-settings", For.LEADERS),
    Page("organization-delete", For.LEADERS),
    Page("member-role", For.LEADERS, get=302, post=302),
    # Bob's own removal is the exception: TestLeaving.
    Page("member-remove", For.LEADERS, post=302),
    Page("invitation-new", For.LEADERS, get=302),
    Page("invitation-resend", For.LEADERS, get=302, post=302),
    Page("invitation-revoke", For.LEADERS, get=302, post=302),
    Page("invitation", For.THE_INVITED, post=200),
    Page("project-new", For.LEADERS),
    Page("project-settings", For.LEADERS),
    Page("project-visibility", For.LEADERS, post=404),
    Page("project-delete", For.LEADERS),
    Page("project-keys", For.LEADERS, get=302),
    Page("project-key-revoke", For.LEADERS, post=302),
    Page("keys", For.THE_SIGNED_IN),
    Page("key-revoke", For.EACH_FOR_THEMSELVES, post=302),
]
SIGNED_IN = (Caller.STRANGER, Caller.MEMBER, Caller.LEADER, Caller.STAFF)


def expected(page: Page, caller: Caller, allowed: int) -> int:
    """Return the status that a caller is to get where those it is for get `allowed`."""
    if page.whom is For.THE_INVITED:
        # The invitation is another person's, and is shown to whoever has its link.
        return 403 if caller in SIGNED_IN else allowed
    if caller not in SIGNED_IN:
        return 302
    if page.whom is For.THE_SIGNED_IN or caller is Caller.LEADER:
        return allowed
    if page.whom is For.EACH_FOR_THEMSELVES or caller is not Caller.MEMBER:
        return 404 if allowed != 405 else 405
    return allowed if page.whom is For.MEMBERS else 403


@dataclass(frozen=True)
class Site:
    """A client for each caller, and what stands in the addresses."""

    clients: dict[Caller, Client]
    values: dict[str, object]

    def address(self, name: str) -> str:
        """Return the address of a page of Acme's."""
        for pattern in views():
            if pattern.name == name:
                wanted = pattern.pattern.converters
                return reverse(name, kwargs={one: self.values[one] for one in wanted})
        raise NoReverseMatch(name)


def views() -> Iterator[URLPattern]:
    """Return each address of the pages that this table is about."""

    def walk(patterns: list[URLPattern | URLResolver]) -> Iterator[URLPattern]:
        for pattern in patterns:
            if isinstance(pattern, URLResolver):
                yield from walk(pattern.url_patterns)
            elif getattr(pattern.callback, "__module__", "") in MODULES:
                yield pattern

    return walk(get_resolver().url_patterns)


def _signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def _with_key(text: str) -> Client:
    return Client(headers={"authorization": f"Bearer {text}"})


def _build() -> Site:
    alice, bob, charlie = make_user("alice"), make_user("bob"), make_user("charlie")
    acme = make_organization("Acme", leader=alice)
    make_member(bob, acme)
    make_organization("Globex", leader=charlie)
    engine = make_project("Engine", organization=acme, visibility=Visibility.PRIVATE)
    project_key, user_key = make_project_key(engine), make_user_key(alice)
    invitation, token = invitations.invite(
        acme, email="dave@example.com", role=Role.MEMBER, by=alice, now=clock.now()
    )
    return Site(
        clients={
            Caller.NOBODY: Client(),
            Caller.STRANGER: _signed_in(charlie),
            Caller.MEMBER: _signed_in(bob),
            Caller.LEADER: _signed_in(alice),
            Caller.STAFF: _signed_in(make_user("root", is_staff=True)),
            Caller.USER_KEY: _with_key(user_key),
            Caller.PROJECT_KEY: _with_key(project_key),
        },
        values={
            "organization": "acme",
            "project": "engine",
            "member": alice.uuid,
            "invitation": invitation.uuid,
            "token": token,
        },
    )


@pytest.fixture(scope="module")
def site(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Site]:
    """Return Acme with its people, and everybody else."""
    with django_db_blocker.unblock(), undone():
        yield _build()


def key_for(page: Page) -> object:
    """Return the UUID of the key that a page is about."""
    model = ProjectKey if page.name.startswith("project") else UserKey
    return model.objects.get().uuid


class TestPages:
    def test_are_all_in_the_table(self) -> None:
        assert {page.name for page in PAGES} == {pattern.name for pattern in views()}

    @pytest.mark.parametrize("page", PAGES, ids=str)
    def test_answer_as_the_rules_say(self, site: Site, page: Page) -> None:
        site.values["key"] = key_for(page)
        address = site.address(page.name)
        wrong = {}
        for (caller, client), method in product(site.clients.items(), ("get", "post")):
            send: Callable[[str], object] = getattr(client, method)
            with undone():
                status = getattr(send(address), "status_code", None)
            due = expected(page, caller, getattr(page, method))
            if status != due:
                wrong[f"{method} by {caller}"] = f"{status} for {due}"

        assert wrong == {}

    def test_a_foreign_object_is_not_found_by_the_leader_of_another(self, site: Site) -> None:
        stranger = site.clients[Caller.STRANGER]
        found = {}
        for page in PAGES:
            site.values["key"] = key_for(page)
            address = site.address(page.name).replace("/acme/", "/globex/")
            if "/globex/" in address and page.name not in WITHOUT_AN_OBJECT:
                with undone():
                    found[page.name] = stranger.post(address).status_code

        assert set(found.values()) == {404}
        assert len(found) == 9


# They are about the organization itself, which is the stranger's own there.
WITHOUT_AN_OBJECT = {
    "organization",
    "members",
    "organization-settings",
    "organization-delete",
    "invitation-new",
    "project-new",
}


class TestLeaving:
    def test_is_open_to_each_member(self, site: Site) -> None:
        bob = User.objects.get(email="bob@example.com")
        address = reverse("member-remove", args=["acme", bob.uuid])
        with undone():
            assert site.clients[Caller.MEMBER].get(address).status_code == 200
            assert site.clients[Caller.MEMBER].post(address).status_code == 302
            assert site.clients[Caller.MEMBER].get(address).status_code == 404
