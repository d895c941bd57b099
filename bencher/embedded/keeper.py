"""The process that both servers are children of, alive while any command uses them.

A command is a connection to its socket: the kernel closes it however the command ends. When the
last one is closed the servers are stopped, and only then does that last command hear so.
"""

import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from bencher.embedded import children, linux, places, postgres, redis
from bencher.embedded.errors import EmbeddedError
from bencher.embedded.places import Places

CONTROL_SOCKET = "keeper.sock"

_LOG_LIMIT = 5 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Server:
    name: str
    process: subprocess.Popen[bytes]
    stop: Sequence[tuple[signal.Signals, float | None]]
    log: Path


@dataclass(slots=True)
class _Keeper:
    """The servers, those who use them, and what these are told."""

    servers: list[_Server]
    run_directory: Path
    hello: bytes
    listener: socket.socket
    users: set[socket.socket] = field(default_factory=set)
    last: socket.socket | None = None
    told_to_end: bool = False
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)

    def run(self, first: socket.socket) -> None:
        """Serve until nobody is left, a server ends by itself, or SIGTERM comes."""
        self._wake_on_signals()
        self._on_readable(self.listener, lambda: self._welcome(self.listener.accept()[0]))
        self._welcome(first)
        while self.users and not self.told_to_end and self._fault() is None:
            for key, _ in self.selector.select():
                key.data()

    def end(self) -> None:
        """Stop the servers, and only then let go of those who wait for it.

        Who connects meanwhile is cut off without a welcome and tries again.
        """
        fault = self._fault()
        self.listener.close()
        for server in self.servers:
            children.stop(server.process, server.stop)
        shutil.rmtree(self.run_directory, ignore_errors=True)
        text = "" if fault is None else f"{fault.name} ended by itself. See {fault.log}."
        for user in self.users if self.last is None else {self.last}:
            with suppress(OSError):  # it was killed
                user.sendall(_line({"stopped": text}))
            user.close()

    def _welcome(self, user: socket.socket) -> None:
        self.users.add(user)
        self._on_readable(user, lambda: self._see_off(user))
        with suppress(OSError):  # it is gone already, which _see_off will notice
            user.sendall(self.hello)

    def _see_off(self, user: socket.socket) -> None:
        self.selector.unregister(user)
        self.users.remove(user)
        if self.users:
            user.close()
        else:
            self.last = user  # waits for the stop

    def _fault(self) -> _Server | None:
        return next((each for each in self.servers if each.process.poll() is not None), None)

    def _on_readable(self, source: socket.socket, action: Callable[[], object]) -> None:
        self.selector.register(source, selectors.EVENT_READ, action)

    def _wake_on_signals(self) -> None:
        def ask_to_end(*_: object) -> None:
            self.told_to_end = True

        woken, wake = socket.socketpair()
        for end in (woken, wake):
            end.setblocking(False)
        signal.signal(signal.SIGTERM, ask_to_end)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake.detach(), warn_on_full_buffer=False)
        self._on_readable(woken, lambda: woken.recv(64))


def keep(base: Path, *, lock: int, first: socket.socket, fsync: bool) -> NoReturn:
    """Be the keeper, in a fork: hold `lock`, start the servers, serve, end."""
    status = 1
    try:
        _leave_the_terminal(base, spare={lock, first.fileno()})
        try:
            keeper = _start(base, lock=lock, fsync=fsync)
        except EmbeddedError as error:
            with suppress(OSError):  # it was killed
                first.sendall(_line({"error": str(error)}))
            raise
        try:
            keeper.run(first)
        finally:
            keeper.end()
        status = 0
    except EmbeddedError:
        pass
    except BaseException:  # noqa: BLE001 - a fork must not return into its parent's code
        traceback.print_exc()
    finally:
        os._exit(status)


def _leave_the_terminal(base: Path, *, spare: set[int]) -> None:
    """Let Ctrl-C, a closed terminal and a waiting pipe concern our user and not us."""
    os.setsid()
    linux.set_process_name("bencher-keeper")
    log = os.open(_log(base, "keeper"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    for number in [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]:
        if number > 2 and number not in spare:
            with suppress(OSError):  # the listing's own
                os.close(number)
    os.chdir("/")


def _start(base: Path, *, lock: int, fsync: bool) -> _Keeper:
    found = places.find(base)
    servers: list[_Server] = []
    try:
        _start_redis(found, servers)
        _start_postgres(found, servers, fsync=fsync)
    except BaseException:
        for server in servers:
            children.stop(server.process, server.stop)
        raise
    hello = {
        "database_url": postgres.url(found),
        "redis_url": redis.url(found),
        "notice": found.notice,
    }
    keeper = _Keeper(
        servers=servers, run_directory=found.run, hello=_line(hello), listener=_listen(found)
    )
    # From here on others find us.
    os.ftruncate(lock, 0)
    os.pwrite(lock, os.fsencode(found.run / CONTROL_SOCKET), 0)
    return keeper


def _start_redis(found: Places, servers: list[_Server]) -> None:
    log = _log(found.base, "redis")
    process = redis.start(found, log)
    servers.append(_Server("Redis", process, redis.STOP, log))


def _start_postgres(found: Places, servers: list[_Server], *, fsync: bool) -> None:
    """Start it and wait for both (it is the slower one)."""
    log = _log(found.base, "postgres")
    process = postgres.start(found, log, fsync=fsync)
    try:
        postgres.wait(found, process, log)
    except EmbeddedError:
        children.stop(process, postgres.STOP)
        if fsync:
            raise
        # Data without fsync do not survive a power cut, and nobody needs them to.
        postgres.forget(found)
        process = postgres.start(found, log, fsync=fsync)
        postgres.wait(found, process, log)
    servers.append(_Server("PostgreSQL", process, postgres.STOP, log))
    redis.wait(found, servers[0].process, servers[0].log)


def _listen(found: Places) -> socket.socket:
    address = found.run / CONTROL_SOCKET
    address.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(address))
    listener.listen()
    return listener


def _log(base: Path, name: str) -> Path:
    log = base / f"{name}.log"
    if log.exists() and log.stat().st_size > _LOG_LIMIT:
        log.rename(log.with_suffix(".log.1"))
    if not log.exists():
        log.touch(mode=0o600)
        places.match_owner(log)
    return log


def _line(message: dict[str, str]) -> bytes:
    return json.dumps(message).encode() + b"\n"
