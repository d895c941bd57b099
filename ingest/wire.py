"""Bencher's wire format: the body of a report, decoded into types.

Sizes and forms are checked here, while nothing is stored yet; each error names the field.
"""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from ingest.adapters.folding import Fold
from ingest.adapters.registry import Adapter
from ingest.adapters.results import Average

Instant = Annotated[datetime, Meta(tz=True)]
MAX_ITERATIONS = 1024


class InvalidBodyError(ValueError):
    """The body is not a report; the message names the field and what to do."""


class Settings(msgspec.Struct, frozen=True):
    """How the results are to be read."""

    adapter: Adapter = Adapter.MAGIC
    average: Average | None = None
    fold: Fold | None = None


class NewReport(msgspec.Struct, frozen=True):
    """A report as CI posts it: one raw output of the benchmark tool per iteration."""

    branch: str
    testbed: str
    start_time: Instant
    end_time: Instant
    results: Annotated[list[str], Meta(min_length=1, max_length=MAX_ITERATIONS)]
    hash: Annotated[str, Meta(pattern=r"^[0-9a-fA-F]{40}([0-9a-fA-F]{24})?$")] | None = None
    settings: Settings | None = None
    idempotency_key: Annotated[str, Meta(min_length=1, max_length=255)] | None = None


_decoder = msgspec.json.Decoder(NewReport)


def decode(body: bytes) -> NewReport:
    """Return the report that a body holds. Raises InvalidBodyError."""
    try:
        report = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidBodyError(f"The body is not a report: {error}.") from error
    _check_name("branch", report.branch, max_bytes=256)
    _check_name("testbed", report.testbed, max_bytes=64)
    if report.end_time < report.start_time:
        raise InvalidBodyError("end_time lies before start_time; send the end of the run.")
    return report


def _check_name(field: str, name: str, *, max_bytes: int) -> None:
    # Bencher measures names in bytes; a NUL can't be stored in PostgreSQL.
    size = len(name.encode("utf-8", "surrogatepass"))
    if not 1 <= size <= max_bytes:
        raise InvalidBodyError(f"{field} has {size} bytes; between 1 and {max_bytes} are allowed.")
    if name != name.strip() or "\0" in name:
        raise InvalidBodyError(f"{field} begins or ends with white space, or holds a NUL.")
