"""Who takes part, and where everything is: written down once for all processes of a run."""

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.stripe_sandbox import state

_POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Project:
    """A project as CI knows it."""

    slug: str
    key: str
    private: bool


@dataclass(frozen=True)
class Organization:
    """An organization with the key of its leader and its customer at Stripe."""

    slug: str
    leader_key: str
    customer: str
    projects: list[Project]


@dataclass(frozen=True)
class Scene:
    """One run."""

    directory: Path
    seed: int
    site: str
    stripe: str
    stripe_key: str
    database_url: str
    organizations: list[Organization]

    def save(self) -> None:
        """Write it down for the other processes."""
        text = json.dumps(asdict(self), default=str)
        state.write(self.directory / "scene.json", text)


def load(directory: Path) -> Scene:
    """Read what `Scene.save` wrote."""
    given = json.loads((directory / "scene.json").read_text())
    given["directory"] = directory
    given["organizations"] = [
        Organization(**{**one, "projects": [Project(**each) for each in one["projects"]]})
        for one in given["organizations"]
    ]
    return Scene(**given)


@dataclass(frozen=True)
class Moment:
    """How far the sandbox's time is ahead, and when each organization's last period ended in it."""

    ahead: int = 0
    bounds: dict[str, int] = field(default_factory=dict)

    def save(self, directory: Path) -> None:
        """Let CI know."""
        state.write(directory / "moment.json", json.dumps(asdict(self)))

    @classmethod
    def load(cls, directory: Path) -> "Moment":
        """Return the present one."""
        return cls(**json.loads((directory / "moment.json").read_text()))


@contextmanager
def visibility_lock(directory: Path, *, give_up: Callable[[], bool]) -> Iterator[bool]:
    """Hold what leaders hold while they flip a project, and time while periods are closed.

    Yields whether it is held: not where `give_up` said so first.
    """
    lock = os.open(directory / "visibility.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield _locked(lock, give_up)
    finally:
        os.close(lock)


def _locked(lock: int, give_up: Callable[[], bool]) -> bool:
    while not give_up():
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_POLL_SECONDS)
        else:
            return True
    return False
