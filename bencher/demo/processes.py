"""The real processes of the demo: started together, stopped together, never left behind."""

import ctypes
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_START_SECONDS = 30
_STOP_SECONDS = 10

LIBC = ctypes.CDLL(None)


class DemoError(RuntimeError):
    """The demo can't go on; the message says why."""


def _die_with_parent() -> None:
    LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


@contextmanager
def running(name: str, *arguments: str, env: dict[str, str], logs: Path) -> Iterator[None]:
    """Keep a Python module or program running; its output goes to a log."""
    log = logs / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Even kill -9 of the demo leaves nothing running.
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - this process has one thread
        )
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_for(what: str, ready: Callable[[], bool], *, logs: Path) -> None:
    """Wait until something is ready. Raises DemoError where it does not get there."""
    deadline = time.monotonic() + _START_SECONDS
    while not ready():
        if time.monotonic() > deadline:
            raise DemoError(f"Waited {_START_SECONDS} s for {what}; the logs are in {logs}.")
        time.sleep(0.05)


def run(*arguments: str, env: dict[str, str]) -> str:
    """Run a module to its end and return what it printed. Raises DemoError where it fails."""
    done = subprocess.run(
        [sys.executable, *arguments], env=env, capture_output=True, text=True, check=False
    )
    if done.returncode:
        command = " ".join(arguments)
        raise DemoError(f"{command} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout
