"""Being a user of the embedded services: finding their keeper, or starting it."""

import fcntl
import json
import os
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bencher.embedded import keeper, places
from bencher.embedded.errors import EmbeddedError

# Longer than a keeper may take to stop its servers and another to start them after a crash.
_PATIENCE = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A connection to the keeper, and what it said."""

    connection: socket.socket
    database_url: str
    redis_url: str
    notice: str
    keeper_pid: int | None

    def leave(self) -> str:
        """Let go; the last to leave waits until the servers have stopped.

        Returns what the keeper has to complain of.
        """
        farewell = b""
        with suppress(OSError), self.connection:
            self.connection.shutdown(socket.SHUT_WR)
            while piece := self.connection.recv(4096):
                farewell += piece
        if not farewell:
            return ""
        if self.keeper_pid is not None:
            with suppress(ChildProcessError):
                os.waitpid(self.keeper_pid, 0)
        said: dict[str, str] = json.loads(farewell)
        return said["stopped"]


def attach(base: Path, *, fsync: bool) -> Attachment:
    """Use the running services of this directory, or start them."""
    lock = os.open(base / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        places.match_owner(base / "lock")
        return _attach(base, lock, fsync=fsync)
    finally:
        os.close(lock)


def _attach(base: Path, lock: int, *, fsync: bool) -> Attachment:
    """Whoever gets the lock becomes the keeper; everybody else asks the one who has it."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            attachment = _join(lock)
        else:
            attachment = _start(base, lock, fsync=fsync)
        if attachment is not None:
            return attachment
        time.sleep(0.02)
    raise EmbeddedError(
        f"Another process has held {base / 'lock'} for minutes without serving."
        f" See {base / 'keeper.log'}; `fuser {base / 'lock'}` names it."
    )


def _join(lock: int) -> Attachment | None:
    """None while the keeper is starting or stopping."""
    address = os.pread(lock, 4096, 0)
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(address)
    except OSError:
        connection.close()
        return None
    return _listen(connection, keeper_pid=None)


def _start(base: Path, lock: int, *, fsync: bool) -> Attachment | None:
    """Fork the keeper, which inherits the lock and our end of a connection."""
    os.ftruncate(lock, 0)  # the address of a keeper that is no more
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        ours.close()
        keeper.keep(base, lock=lock, first=theirs, fsync=fsync)
    theirs.close()
    attachment = _listen(ours, keeper_pid=pid)
    if attachment is None:
        raise EmbeddedError(f"The services did not start. See {base / 'keeper.log'}.")
    return attachment


def _listen(connection: socket.socket, *, keeper_pid: int | None) -> Attachment | None:
    """The keeper's first line; None if it ends instead."""
    with connection.makefile("rb", buffering=0) as lines:
        line = b""
        with suppress(ConnectionError):
            line = lines.readline()
    if not line.endswith(b"\n"):
        connection.close()
        return None
    said: dict[str, str] = json.loads(line)
    if "error" in said:
        raise EmbeddedError(said["error"])
    return Attachment(connection=connection, keeper_pid=keeper_pid, **said)
