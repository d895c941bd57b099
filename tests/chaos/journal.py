"""What was sent, answered and moved: one JSON line for each, in the order in which it happened."""

import json
import threading
import time
from pathlib import Path
from typing import Any

Line = dict[str, Any]


class Journal:
    """A file that several threads of one process append to."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._path = path

    def write(self, kind: str, **facts: Any) -> None:
        """Append a line; `at` is real time, in seconds by a clock that all processes share."""
        line = json.dumps({"kind": kind, "at": time.monotonic(), **facts})
        with self._lock, self._path.open("a") as file:
            file.write(line + "\n")


def read(path: Path) -> list[Line]:
    """Return what was written, leaving out a line that is not whole; nothing where no file is."""
    if not path.exists():
        return []
    lines = path.read_text().split("\n")
    return [json.loads(line) for line in lines[:-1]]
