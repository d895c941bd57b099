"""Progress of long commands on a terminal; silent where nobody watches."""

from collections.abc import Callable
from typing import TextIO


def bar(stream: TextIO, *, of: str) -> Callable[[int, int], None]:
    """Return a function that shows `done` of `total` things on one line of a terminal."""

    def show(done: int, total: int) -> None:
        if stream.isatty():
            stream.write(f"\r{done:,} of {total:,} {of}" + ("\n" if done >= total else ""))
            stream.flush()

    return show
