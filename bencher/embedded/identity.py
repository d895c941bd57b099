"""As whom the servers run.

PostgreSQL refuses to run as root, and its initdb refuses a user without a name. Who is neither
runs the servers as himself. Otherwise a user namespace gives the servers another number for
the same user, so that the files stay ours; where namespaces are forbidden (most containers)
root changes the user for real.
"""

import enum
import os
import pwd
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bencher.embedded import linux
from bencher.embedded.errors import EmbeddedError


class Change(enum.Enum):
    """What a child does to become its identity."""

    NONE = enum.auto()
    NAMESPACE = enum.auto()
    SETUID = enum.auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The user whose files the servers' are, and how a child gets there."""

    change: Change
    uid: int
    gid: int


def choose(directory: Path) -> Identity:
    """The identity for servers whose data belong in this directory."""
    if os.geteuid() != 0 and _has_name(os.geteuid()):
        return _as_is(Change.NONE)
    for identity in _candidates(directory):
        if _works(identity):
            return identity
    if os.geteuid() == 0:
        raise EmbeddedError(
            "PostgreSQL does not run as root, and this system allows neither a user namespace nor"
            " another user. Run as an ordinary user, or set DATABASE_URL and REDIS_URL."
        )
    raise EmbeddedError(
        f"User {os.geteuid()} has no entry in /etc/passwd, which PostgreSQL's initdb demands."
        " Add one, or set DATABASE_URL and REDIS_URL."
    )


def become(identity: Identity) -> None:
    """Turn this process, a child about to exec, into the identity."""
    match identity.change:
        case Change.NONE:
            pass
        case Change.NAMESPACE:
            if os.geteuid() != identity.uid:
                _change_user(identity)
                linux.own_proc_files()
            _enter_namespace(identity)
        case Change.SETUID:
            _change_user(identity)


def _change_user(identity: Identity) -> None:
    os.setgroups([])
    os.setgid(identity.gid)
    os.setuid(identity.uid)


def _enter_namespace(identity: Identity) -> None:
    named = _any_user()
    linux.enter_user_namespace()
    # The kernel wants this before an unprivileged process may map its group.
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{named.pw_uid} {identity.uid} 1")
    Path("/proc/self/gid_map").write_text(f"{named.pw_gid} {identity.gid} 1")


def can(identity: Identity, path: Path, mode: int) -> bool:
    """Whether the identity gets at the path (mode as for os.access)."""
    return _succeeds_in_child(identity, lambda: os.access(path, mode))


def _candidates(directory: Path) -> list[Identity]:
    if os.geteuid() != 0:
        return [_as_is(Change.NAMESPACE)]
    candidates = [_as_is(Change.NAMESPACE)]
    owner = directory.stat()
    if owner.st_uid != 0:
        # Root in somebody's checkout: that user can go on afterwards.
        change = Change.SETUID if _has_name(owner.st_uid) else Change.NAMESPACE
        candidates.insert(0, Identity(change=change, uid=owner.st_uid, gid=owner.st_gid))
    nobody = _any_user()
    candidates.append(Identity(change=Change.SETUID, uid=nobody.pw_uid, gid=nobody.pw_gid))
    return candidates


def _as_is(change: Change) -> Identity:
    return Identity(change=change, uid=os.geteuid(), gid=os.getegid())


def _works(identity: Identity) -> bool:
    return _succeeds_in_child(identity, lambda: os.geteuid() != 0)


def _succeeds_in_child(identity: Identity, check: Callable[[], bool]) -> bool:
    child = os.fork()
    if child == 0:
        try:
            become(identity)
            os._exit(0 if check() else 1)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    return status == 0


def _has_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _any_user() -> pwd.struct_passwd:
    """Somebody who is not root and has a name: nobody, where there is one."""
    try:
        return pwd.getpwnam("nobody")
    except KeyError:
        others = [entry for entry in pwd.getpwall() if entry.pw_uid != 0]
    if not others:
        raise EmbeddedError("/etc/passwd knows nobody but root. Add an ordinary user.")
    return others[-1]
