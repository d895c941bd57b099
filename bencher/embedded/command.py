"""The command line: `manage.py embedded [--no-fsync] -- COMMAND…`."""

import argparse
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from bencher.embedded import attachment, children, linux, places
from bencher.embedded.errors import EmbeddedError

DESCRIPTION = """\
Run COMMAND with PostgreSQL and Redis at hand: both are started from the installed packages, on
UNIX sockets, with their data in .data/ (or BENCHER_DATA_DIR), and are stopped when the last such
command ends. COMMAND finds DATABASE_URL and REDIS_URL set, and SECRET_KEY and HTTPS=false unless
they are set already. Where DATABASE_URL and REDIS_URL are both set, nothing is started.
"""

# As env(1), timeout(1) and nohup(1) answer.
FAILED = 125
_CANNOT_EXECUTE = 126
_NOT_FOUND = 127

_FORWARDED = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
)
_TYPED = (signal.SIGINT, signal.SIGQUIT)
_SENT_BY_KERNEL = 0x80  # SI_KERNEL of siginfo
# libpq lets these win over, or mix with, what DATABASE_URL says.
_OTHER_SERVERS = (
    "PGHOST",
    "PGHOSTADDR",
    "PGPORT",
    "PGUSER",
    "PGPASSWORD",
    "PGDATABASE",
    "PGSERVICE",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what both ways in, manage.py and Django's own, understand."""
    parser.add_argument(
        "--no-fsync",
        action="store_true",
        help="use a second, faster server whose data may be lost with the machine (for tests)",
    )


def main(argv: Sequence[str]) -> int:
    """Run the command line and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="manage.py embedded",
        usage="manage.py embedded [--no-fsync] -- COMMAND…",
        description=DESCRIPTION,
    )
    add_arguments(parser)
    split = argv.index("--") if "--" in argv else len(argv)
    options = parser.parse_args(argv[:split])
    command = argv[split + 1 :]
    if not command:
        parser.error("COMMAND is missing; it comes after --")
    return run(command, fsync=not options.no_fsync)


def run(command: Sequence[str], *, fsync: bool) -> int:
    """Run the command with services and return its exit code."""
    try:
        base = places.data_directory()
        environment = _environment(base)
        if _has_own_services():
            return _replace_us(command, environment)
        return _run_attached(command, environment, base if fsync else base / "no-fsync", fsync)
    except EmbeddedError as error:
        _say(str(error))
        return FAILED
    except OSError as error:
        if error.filename is None:
            raise
        # Most often another user, root for one, has been here before.
        _say(
            f"Cannot use {error.filename}: {error.strerror}."
            " Set BENCHER_DATA_DIR to a directory of your own."
        )
        return FAILED
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _has_own_services() -> bool:
    names = ("DATABASE_URL", "REDIS_URL")
    missing = [name for name in names if not os.environ.get(name)]
    if len(missing) == 1:
        raise EmbeddedError(
            f"{missing[0]} is not set and the other is. Set both to use services of your own,"
            " or none to have them started."
        )
    return not missing


def _replace_us(command: Sequence[str], environment: dict[str, str]) -> int:
    try:
        os.execvpe(command[0], list(command), environment)  # noqa: S606 - the user's own command
    except OSError as error:
        return _not_started(command, error)


def _run_attached(
    command: Sequence[str], environment: dict[str, str], base: Path, fsync: bool
) -> int:
    if sys.platform != "linux":
        raise EmbeddedError(f"The embedded services need Linux. Elsewhere {places.OWN_SERVICES}.")
    services = attachment.attach(places.make_directory(base), fsync=fsync)
    if services.notice:
        _say(services.notice)
    for name in _OTHER_SERVERS:
        environment.pop(name, None)
    environment["DATABASE_URL"] = services.database_url
    environment["REDIS_URL"] = services.redis_url
    try:
        return _supervise(command, environment, keeper_pid=services.keeper_pid)
    finally:
        if complaint := services.leave():
            _say(complaint)


def _supervise(
    command: Sequence[str], environment: dict[str, str], *, keeper_pid: int | None
) -> int:
    """Run the command, pass signals on, and leave none of its processes behind."""
    linux.adopt_orphans()
    # Blocked signals wait for sigwaitinfo below, so none is lost and none interrupts.
    watched = (*_FORWARDED, signal.SIGCHLD)
    signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    try:
        child = children.start(command, env=environment, death_signal=signal.SIGTERM)
    except OSError as error:
        return _not_started(command, error)
    while (code := _reap(child)) is None:
        received = signal.sigwaitinfo(watched)
        # Ctrl-C reaches the whole foreground group: the command has it already.
        typed = received.si_code == _SENT_BY_KERNEL and received.si_signo in _TYPED
        if received.si_signo != signal.SIGCHLD and not typed:
            child.send_signal(received.si_signo)
    children.end_orphans(spare=keeper_pid)
    return code if code >= 0 else 128 - code


def _reap(child: subprocess.Popen[bytes]) -> int | None:
    """Collect whoever ended, adopted orphans too; the child's code once it is among them."""
    with suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            if pid == child.pid:
                child.returncode = os.waitstatus_to_exitcode(status)
    return child.returncode


def _not_started(command: Sequence[str], error: OSError) -> int:
    _say(f"{command[0]}: {error.strerror}")
    return _NOT_FOUND if isinstance(error, FileNotFoundError) else _CANNOT_EXECUTE


def _environment(base: Path) -> dict[str, str]:
    environment = dict(os.environ)
    if not environment.get("SECRET_KEY"):
        environment["SECRET_KEY"] = _secret_key(base / "secret_key")
    environment.setdefault("HTTPS", "false")
    environment["BENCHER_DATA_DIR"] = str(base)
    if sys.prefix != sys.base_prefix:
        # So that COMMAND's python and pytest are ours, whether or not the venv is activated.
        search = (f"{sys.prefix}/bin", environment.get("PATH", os.defpath))
        environment["PATH"] = os.pathsep.join(search)
    return environment


def _secret_key(path: Path) -> str:
    """The key of this checkout; sessions survive a restart."""
    if not path.exists():
        draft = path.with_name(f"secret_key.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(50))
        places.match_owner(draft)
        with suppress(FileExistsError):  # another command was faster, and its key counts
            path.hardlink_to(draft)
        draft.unlink()
    return path.read_text().strip()


def _say(message: str) -> None:
    sys.stderr.write(f"embedded: {message}\n")
    sys.stderr.flush()
