"""Everybody who calls, and what they call for."""

from dataclasses import dataclass

from django.test import Client

from bencher.tenancy.models import User, UserKey
from series.models import Project, ProjectKey, ProjectMembership, ProjectRole, Visibility
from tests.factories import (
    NOV,
    make_member,
    make_organization,
    make_project,
    make_project_key,
    make_user,
    make_user_key,
)
from tests.permissions import table
from tests.permissions.rules import Caller


@dataclass(frozen=True)
class World:
    """The callers' clients, and what stands for each placeholder."""

    callers: dict[tuple[Caller, bool], Client]
    own: dict[bool, dict[str, str]]
    foreign: dict[str, str]

    def client(self, caller: Caller, *, public: bool) -> Client:
        """Return the client of a caller; project keys differ between the two projects."""
        return self.callers[caller, public]

    def address(self, path: str, *, public: bool, foreign: str | None = None) -> str:
        """Return the path with our objects in it, and one foreign object where that is named."""
        values = dict(self.own[public])
        if foreign is not None:
            values[foreign] = self.foreign[foreign]
        return path.format(**values)


def _bearer(key: str) -> Client:
    return Client(headers={"authorization": f"Bearer {key}"})


def _revoked(project: Project) -> str:
    key = make_project_key(project)
    ProjectKey.objects.filter(project=project, name="test").update(name="gone", revoked_at=NOV)
    return key


def build() -> World:
    """Make Acme with a private, a public and a sibling project, and Globex beside it."""
    users = {name: make_user(name) for name in ("alice", "bob", "charlie", "vic", "dora", "mia")}
    acme = make_organization("Acme", leader=users["alice"])
    make_member(users["bob"], acme)
    globex = make_organization("Globex", leader=users["charlie"])
    private = make_project("Private", organization=acme, visibility=Visibility.PRIVATE)
    public = make_project("Public", organization=acme, visibility=Visibility.PUBLIC)
    sibling = make_project("Sibling", organization=acme, visibility=Visibility.PRIVATE)
    abroad = make_project("Abroad", organization=globex, visibility=Visibility.PRIVATE)
    for name, role in zip(("vic", "dora", "mia"), ProjectRole, strict=True):
        for project in (private, public):
            ProjectMembership.objects.create(
                user=users[name], project=project, role=role, created_at=NOV
            )
    keys = {
        Caller.STRANGER: make_user_key(users["charlie"]),
        Caller.MEMBER: make_user_key(users["bob"]),
        Caller.VIEWER: make_user_key(users["vic"]),
        Caller.DEVELOPER: make_user_key(users["dora"]),
        Caller.MAINTAINER: make_user_key(users["mia"]),
        Caller.LEADER: make_user_key(users["alice"]),
        Caller.SIBLING_KEY: make_project_key(sibling),
        Caller.FOREIGN_KEY: make_project_key(abroad),
        Caller.STAFF: make_user_key(make_user("root", is_staff=True)),
    }
    callers: dict[tuple[Caller, bool], Client] = {}
    for is_public, project in ((False, private), (True, public)):
        mine = {
            Caller.REVOKED_KEY: _revoked(project),
            Caller.PROJECT_KEY: make_project_key(project),
        }
        callers |= {(who, is_public): _bearer(key) for who, key in (keys | mine).items()}
        callers[Caller.ANONYMOUS, is_public] = Client()
        callers[Caller.LEADER_IN_BROWSER, is_public] = _signed_in(users["alice"])
        callers[Caller.MEMBER_IN_BROWSER, is_public] = _signed_in(users["bob"])
    shared = {
        "organization": acme.slug,
        "member": users["bob"].slug,
        "user": users["alice"].slug,
        "user_key": _key_of(users["alice"]),
        "permission": "edit",
    }
    return World(
        callers=callers,
        own={
            False: shared | table.objects(private),
            True: shared | table.objects(public),
        },
        foreign=table.objects(sibling)
        | {"member": users["charlie"].slug, "user_key": _key_of(users["charlie"])},
    )


def _signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def _key_of(user: User) -> str:
    return str(UserKey.objects.get(user=user).uuid)
