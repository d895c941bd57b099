"""The embedded Redis: a queue and counters, nothing that must survive a stop."""

import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from bencher.embedded import children
from bencher.embedded.errors import EmbeddedError
from bencher.embedded.places import Places

STOP = ((signal.SIGTERM, 10.0), (signal.SIGKILL, None))

_START_SECONDS = 30.0


def url(places: Places) -> str:
    """What REDIS_URL is set to."""
    return f"unix://{_socket(places)}?db=0"


def start(places: Places, log: Path) -> subprocess.Popen[bytes]:
    """Start the server; `wait` says when it answers."""
    children.outlast(places.run, "redis-server")
    _socket(places).unlink(missing_ok=True)
    with log.open("ab") as output:
        return children.start(
            [str(places.redis), *_options(places)],
            identity=places.identity,
            death_signal=signal.SIGTERM,
            env={"LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            output=output,
        )


def wait(places: Places, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return when the server answers, or say why it does not."""
    deadline = time.monotonic() + _START_SECONDS
    while not _answers(places):
        if process.poll() is not None or time.monotonic() > deadline:
            raise EmbeddedError(f"Redis did not start. See {log}.")
        time.sleep(0.01)


def _options(places: Places) -> list[str]:
    options = {
        "port": "0",
        "unixsocket": str(_socket(places)),
        "unixsocketperm": "700",
        "dir": str(places.run),
        "save": "",
        "appendonly": "no",
        "loglevel": "warning",
    }
    return [word for name, value in options.items() for word in (f"--{name}", value)]


def _socket(places: Places) -> Path:
    return places.run / "redis.sock"


def _answers(places: Places) -> bool:
    with suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(1)
        connection.connect(str(_socket(places)))
        connection.sendall(b"PING\r\n")
        return connection.recv(16).startswith(b"+PONG")
    return False
