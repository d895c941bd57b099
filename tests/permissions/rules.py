"""What each caller is to be answered, from Bencher's rules and not from the code under test."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import Any


class Caller(StrEnum):
    """Who calls."""

    ANONYMOUS = auto()
    STRANGER = auto()  # leads another organization
    MEMBER = auto()  # of the organization
    VIEWER = auto()  # in the project only, as the next two
    DEVELOPER = auto()
    MAINTAINER = auto()
    LEADER = auto()
    PROJECT_KEY = auto()
    SIBLING_KEY = auto()  # of another project of the same organization
    FOREIGN_KEY = auto()  # of a project of another organization
    REVOKED_KEY = auto()  # of the project, once
    STAFF = auto()
    LEADER_IN_BROWSER = auto()
    MEMBER_IN_BROWSER = auto()


class Scope(Enum):
    """What a permission is asked for."""

    PROJECT = auto()
    ORGANIZATION = auto()
    USER = auto()  # the leader; everybody else is somebody else
    SIGNED_IN = auto()  # any user
    EVERYBODY = auto()


@dataclass(frozen=True, kw_only=True)
class Row:
    """One method of one endpoint.

    `path` has the placeholders that the world fills: {organization}, {project} and the objects in
    them. `needs` is the permission in the scope.
    """

    method: str
    path: str
    scope: Scope
    needs: str = "view"
    success: int = 200
    body: Mapping[str, Any] | None = None
    # The placeholder of the object within the scope: another project's or organization's is 404.
    object: str | None = None
    # A browser's session counts as a credential here.
    sessions: bool = False
    # No key may do it, whatever its permissions.
    mints: bool = False
    # Called with a user key, the key itself is all that there is.
    key_knows_itself: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


READ = {"view", "view_role"}
WRITE = {"create", "edit", "delete"}
ALL = READ | WRITE | {"manage", "create_role", "edit_role", "delete_role"}

IN_PROJECT = {
    Caller.MEMBER: READ,
    Caller.MEMBER_IN_BROWSER: READ,
    Caller.VIEWER: READ,
    Caller.DEVELOPER: READ | WRITE,
    Caller.MAINTAINER: ALL,
    Caller.LEADER: ALL,
    Caller.LEADER_IN_BROWSER: ALL,
    Caller.STAFF: ALL,
    Caller.PROJECT_KEY: {"view", "create"},
}
IN_ORGANIZATION = {
    Caller.MEMBER: READ,
    Caller.MEMBER_IN_BROWSER: READ,
    Caller.LEADER: ALL,
    Caller.LEADER_IN_BROWSER: ALL,
    # Staff run the server: they alone do what nobody in an organization may.
    Caller.STAFF: ALL | {"run_server"},
}
BROWSERS = {Caller.LEADER_IN_BROWSER, Caller.MEMBER_IN_BROWSER}
OF_PROJECTS = {Caller.PROJECT_KEY, Caller.SIBLING_KEY, Caller.FOREIGN_KEY}
THE_LEADER = {Caller.LEADER, Caller.LEADER_IN_BROWSER}


def expected(row: Row, caller: Caller, *, public: bool, foreign: bool) -> int:
    """Return the status that a caller is to get."""
    if caller is Caller.REVOKED_KEY:
        return 401
    if caller in BROWSERS and not row.sessions:
        caller = Caller.ANONYMOUS
    refused = {
        Scope.PROJECT: _in_project(row, caller, public=public),
        Scope.ORGANIZATION: _in_organization(row, caller),
        Scope.USER: _of_user(row, caller),
        Scope.SIGNED_IN: _without_user(caller),
        Scope.EVERYBODY: None,
    }[row.scope]
    if refused is not None:
        return refused
    if row.mints and caller not in BROWSERS:
        return 403
    return 404 if foreign else row.success


def _in_project(row: Row, caller: Caller, *, public: bool) -> int | None:
    granted = IN_PROJECT.get(caller, set()) | ({"view"} if public else set())
    if row.needs in granted:
        return None
    if "view" not in granted:
        return 404
    return 401 if caller is Caller.ANONYMOUS else 403


def _in_organization(row: Row, caller: Caller) -> int | None:
    granted = IN_ORGANIZATION.get(caller, set())
    if row.needs in granted:
        return None
    return _without_user(caller) or (403 if granted else 404)


def _of_user(row: Row, caller: Caller) -> int | None:
    if caller is Caller.STAFF:
        return 404 if row.key_knows_itself else None
    return _without_user(caller) or (None if caller in THE_LEADER else 404)


def _without_user(caller: Caller) -> int | None:
    if caller is Caller.ANONYMOUS:
        return 401
    return 403 if caller in OF_PROJECTS else None
