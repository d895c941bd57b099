"""One process with all that descends from it, which can be killed, stopped and started again."""

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from bencher.embedded import children

# How the kernel shows a process that has ended and was not collected yet.
_ENDED = "Z"


class Process:
    """A command of the product, or of ours; its output goes to a log."""

    def __init__(self, name: str, argv: Sequence[str], *, env: dict[str, str], log: Path) -> None:
        self.name = name
        self._argv = argv
        self._env = env
        self._log = log
        self._running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; what is left of an earlier run ends first."""
        self.kill()
        with self._log.open("ab") as output:
            self._running = children.start(
                self._argv,
                env=self._env,
                stdin=subprocess.DEVNULL,
                output=output,
                death_signal=signal.SIGKILL,
            )

    @property
    def pid(self) -> int:
        """The first process of it."""
        assert self._running is not None
        return self._running.pid

    @property
    def is_alive(self) -> bool:
        """Tell whether it runs."""
        return self._running is not None and self._running.poll() is None

    @property
    def code(self) -> int | None:
        """The exit code, None while it runs."""
        return None if self._running is None else self._running.poll()

    def kill(self) -> None:
        """End it at once with everything that descends from it."""
        if self._running is not None:
            for pid in [self._running.pid, *descendants(self._running.pid)]:
                send(pid, signal.SIGKILL)
            self._running.wait()

    def finish(self, seconds: float) -> bool:
        """Ask it to end and wait; return whether it did in time and without an error."""
        assert self._running is not None
        self._running.terminate()
        with suppress(subprocess.TimeoutExpired):
            return self._running.wait(seconds) == 0
        return False


def send(pid: int, number: signal.Signals) -> bool:
    """Send a signal; return whether the process was there."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def offspring(pid: int) -> list[int]:
    """Return the living children of a process."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
                if int(parent) == pid and state != _ENDED:
                    found.append(int(entry.name))
    return sorted(found)


def descendants(pid: int) -> Iterator[int]:
    """Yield the living children of a process, theirs, and so on."""
    for child in offspring(pid):
        yield child
        yield from descendants(child)


def cpu_ticks(pid: int) -> int:
    """Return the processor time that a process has used, in hundredths of a second."""
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])
    return 0


def command_line(pid: int) -> str:
    """Return what a process calls itself, empty where it has ended."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip()
    return ""
