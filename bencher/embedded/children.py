"""Starting and ending processes so that none outlives us."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from bencher.embedded import identity as identities
from bencher.embedded import linux
from bencher.embedded.identity import Identity

_KILL_AFTER = 5.0

Stream = IO[bytes] | int | None


def start(
    argv: Sequence[str],
    *,
    death_signal: signal.Signals,
    identity: Identity | None = None,
    env: Mapping[str, str] | None = None,
    stdin: Stream = None,
    output: Stream = None,
) -> subprocess.Popen[bytes]:
    """Start a child that gets `death_signal` when we end, even by kill -9."""
    parent = os.getpid()

    def prepare() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        if identity is not None:
            identities.become(identity)
        linux.die_with_parent(death_signal)
        if os.getppid() != parent:  # it ended before the line above
            os._exit(1)

    return subprocess.Popen(  # noqa: S603 - the caller's own command or our binaries
        argv,
        env=env,
        stdin=stdin,
        stdout=output,
        stderr=output,
        preexec_fn=prepare,  # noqa: PLW1509 - we have one thread
    )


def stop(
    process: subprocess.Popen[bytes], steps: Sequence[tuple[signal.Signals, float | None]]
) -> None:
    """End a child by signals of growing force, each with the seconds it is given."""
    for number, seconds in steps:
        if process.poll() is not None:
            return
        process.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)


def running_in(directory: Path, program: str) -> list[int]:
    """The processes of this program (by file name) that have the directory as their own.

    A server keeps its data directory as working directory, so this tells a living server from
    a stale pid file whose number somebody else has by now.
    """
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with suppress(OSError):
            # After an upgrade of the package the name ends in " (deleted)".
            name = (entry / "exe").readlink().name.split(" ")[0]
            if name == program and (entry / "cwd").readlink() == directory:
                found.append(int(entry.name))
    return found


def outlast(directory: Path, program: str) -> None:
    """Wait for servers that a killed keeper left in the middle of their shutdown.

    The kernel has told them to end (`start`'s death signal). Telling them again could hurt:
    some of PostgreSQL's processes understand SIGINT in their own way. Killing all is safe.
    """
    for patience in (15.0, 5.0):
        deadline = time.monotonic() + patience
        while running_in(directory, program):
            if time.monotonic() > deadline:
                break
            time.sleep(0.02)
        for pid in running_in(directory, program):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def end_orphans(*, spare: int | None) -> None:
    """End what our command left behind (it is ours since `adopt_orphans`), but not `spare`."""
    deadline = time.monotonic() + _KILL_AFTER
    told: set[int] = set()
    while orphans := [pid for pid in _own_children() if pid != spare]:
        late = time.monotonic() > deadline
        for pid in orphans:
            with suppress(ProcessLookupError):
                if late or pid not in told:
                    os.kill(pid, signal.SIGKILL if late else signal.SIGTERM)
                    told.add(pid)
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        time.sleep(0.01)


def _own_children() -> list[int]:
    try:
        return [
            int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        ]
    except OSError:  # a kernel without CONFIG_PROC_CHILDREN
        return []
