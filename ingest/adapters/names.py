"""What a benchmark or measure may be called, and how names of several parts are put together."""

from collections.abc import Iterable

from ingest.adapters.results import AdapterError

MAX_BENCHMARK_BYTES = 1024
MAX_MEASURE_BYTES = 64


def join(separator: str, parts: Iterable[str]) -> str:
    """A benchmark's name from its parts, empty ones left out.

    Refuses what would be too long before putting it together: a long heading above many
    benchmarks must not be copied for each of them.
    """
    kept = [part for part in parts if part]
    if sum(map(len, kept)) > MAX_BENCHMARK_BYTES:
        raise AdapterError(f"benchmark name {kept[0][:100]!r}... is too long")
    return separator.join(kept)


def fault(name: str, *, max_bytes: int) -> str | None:
    """What keeps the name from being stored, in words that follow it; None if nothing does."""
    if not name:
        return "is empty"
    if name.strip() != name:
        return "begins or ends with white space"
    if "\0" in name:
        return "holds a NUL character"
    try:
        size = len(name) if name.isascii() else len(name.encode())
    except UnicodeEncodeError:
        return "holds half of a surrogate pair"
    return f"is {size} bytes long, at most {max_bytes} are kept" if size > max_bytes else None
