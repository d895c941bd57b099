"""The embedded PostgreSQL: made once, started and stopped without its own tools' help."""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from bencher.embedded import children
from bencher.embedded.errors import EmbeddedError
from bencher.embedded.places import Places, own_directory

# SIGINT is PostgreSQL's "fast" shutdown: sessions end, everything is written, no recovery
# at the next start. SIGQUIT skips the writing. (PostgreSQL 18 can hang in a fast shutdown that
# comes while it recovers from a killed process.)
FAST_SHUTDOWN = signal.SIGINT
STOP = ((FAST_SHUTDOWN, 15.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, None))

# Recovery after a crash in the middle of a bulk load can take a while.
_START_SECONDS = 120.0
_STATUS_LINE = 7
_ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC", "PATH": os.defpath}

# The application is an ordinary role: what triggers and constraints forbid stays forbidden.
_FIRST_STATEMENTS = (
    "CREATE ROLE bencher LOGIN CREATEDB",
    "CREATE DATABASE bencher OWNER bencher",
)
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}
_TELLING = re.compile("FATAL|PANIC|ERROR|error:")
# For data that may be lost with the machine, though not with the process.
_NO_FSYNC = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def url(places: Places) -> str:
    """What DATABASE_URL is set to."""
    return f"postgresql://bencher@/bencher?host={places.run}"


def start(places: Places, log: Path, *, fsync: bool) -> subprocess.Popen[bytes]:
    """Start the server, on new data if there are none yet; `wait` says when it is ready."""
    data = _data(places)
    children.outlast(data, "postgres")
    if data.exists():
        _take_over(data, places)
    else:
        _initialize(places, log, fsync=fsync)
    # Nobody runs here, so these are left from a kill. PostgreSQL would believe the process
    # numbers in them if somebody else had one by now.
    for stale in (data / "postmaster.pid", places.run / ".s.PGSQL.5432.lock"):
        stale.unlink(missing_ok=True)
    return _spawn(places, log, ["-D", str(data), "-k", str(places.run), *_settings(fsync=fsync)])


def wait(places: Places, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return when the server takes connections, or say why it does not."""
    deadline = time.monotonic() + _START_SECONDS
    while not _is_ready(places, process.pid):
        if process.poll() is not None or time.monotonic() > deadline:
            raise EmbeddedError(
                f"PostgreSQL did not start: {_last_line(log)} (from {log})."
                f" To begin with an empty database, remove {_data(places)}."
            )
        time.sleep(0.01)


def forget(places: Places) -> None:
    """Remove all data."""
    shutil.rmtree(_data(places), ignore_errors=True)


def _initialize(places: Places, log: Path, *, fsync: bool) -> None:
    """Make the data beside their place and move them there when they are complete."""
    partial = _data(places).with_name("postgres.partial")
    children.outlast(partial, "postgres")
    shutil.rmtree(partial, ignore_errors=True)
    own_directory(partial, places.identity)
    _run(places, log, "initdb", _initdb_options(partial, fsync=fsync))
    _run(
        places,
        log,
        "postgres",
        ["--single", "-D", str(partial), "-c", "exit_on_error=on", "postgres"],
        stdin="".join(f"{statement}\n" for statement in _FIRST_STATEMENTS),
    )
    partial.rename(_data(places))


def _initdb_options(data: Path, *, fsync: bool) -> list[str]:
    return [
        f"--pgdata={data}",
        "--username=postgres",
        "--encoding=UTF8",
        "--no-locale",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--auth-local=trust",  # the socket's directory is closed to others
        "--auth-host=reject",
        "--no-instructions",
        *([] if fsync else ["--no-sync"]),
    ]


def _run(places: Places, log: Path, program: str, options: list[str], *, stdin: str = "") -> None:
    with log.open("ab") as output:
        process = children.start(
            [str(places.postgres / "bin" / program), *options],
            identity=places.identity,
            death_signal=signal.SIGKILL,
            env=_ENVIRONMENT,
            stdin=subprocess.PIPE,
            output=output,
        )
        process.communicate(stdin.encode())
    if process.returncode != 0:
        raise EmbeddedError(f"PostgreSQL's {program} failed: {_last_line(log)} (from {log}).")


def _spawn(places: Places, log: Path, options: Sequence[str]) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return children.start(
            [str(places.postgres / "bin" / "postgres"), *options],
            identity=places.identity,
            death_signal=FAST_SHUTDOWN,
            env=_ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            output=output,
        )


def _settings(*, fsync: bool) -> list[str]:
    settings = _SETTINGS if fsync else _SETTINGS | _NO_FSYNC
    return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]


def _data(places: Places) -> Path:
    return places.home / "postgres"


def _take_over(data: Path, places: Places) -> None:
    """Give the files to whom the server runs as now (it was another, or another system)."""
    owner = data.stat().st_uid
    identity = places.identity
    if owner == identity.uid:
        return
    if os.geteuid() != 0:
        raise EmbeddedError(
            f"{data} belongs to user {owner}. Set BENCHER_DATA_DIR to a directory of your own,"
            f" or have root run: chown -R {identity.uid} {places.base}"
        )
    for path in (data, *data.rglob("*")):
        os.chown(path, identity.uid, identity.gid, follow_symlinks=False)


def _is_ready(places: Places, pid: int) -> bool:
    try:
        lines = (_data(places) / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return False
    return (
        len(lines) > _STATUS_LINE
        and lines[0].strip() == str(pid)
        and lines[_STATUS_LINE].strip() == "ready"
    )


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    telling = [line for line in lines[-20:] if _TELLING.search(line)]
    return (telling or lines or ["it said nothing"])[-1].strip()
