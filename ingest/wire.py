"""Bencher's wire format: the bodies of reports, runs and branches, decoded into types.

Sizes and forms are checked here, while nothing is stored yet; each error names the field.
"""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar
from uuid import UUID

import msgspec
from msgspec import Meta

from bencher.tenancy.naming import Slug, check_slug
from ingest import thresholds
from ingest.adapters.folding import Fold
from ingest.adapters.registry import Adapter
from ingest.adapters.results import Average
from ingest.heads import MAX_VERSIONS, Start
from ingest.thresholds import InvalidModelError, JsonReportThresholds

Instant = Annotated[datetime, Meta(tz=True)]
# The end is not `$`, which lets a newline through.
Hash = Annotated[str, Meta(pattern=r"^[0-9a-fA-F]{40}([0-9a-fA-F]{24})?(?![\s\S])")]
Count = Annotated[int, Meta(ge=0, le=2**32 - 1)]
Results = Annotated[list[str], Meta(min_length=1, max_length=1024)]
# A NUL can't be stored in PostgreSQL.
Key = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[^\u0000]+$")]

# Before it no computer kept time; a report from then is a clock that was never set.
EARLIEST_YEAR = 1970
DEFAULT_BRANCH = "main"
DEFAULT_TESTBED = "localhost"
_BRANCH_REF = "bencher.dev/v0/branch/ref/name"
_BRANCH_HASH = "bencher.dev/v0/branch/hash"
_TESTBED_OS = "bencher.dev/v0/testbed/os"

# What git allows in no part of a reference.
_NOT_IN_A_REFERENCE = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(?:/|$)")


class InvalidBodyError(ValueError):
    """The body is not what the endpoint reads; the message names the field and what to do."""


class JsonReportSettings(msgspec.Struct, frozen=True):
    """How the results are to be read."""

    adapter: Adapter | None = None
    average: Average | None = None
    fold: Fold | None = None


class JsonUpdateStartPoint(msgspec.Struct, frozen=True):
    """Where a report's branch starts from. Thresholds are not kept here, so none are cloned."""

    branch: str | None = None
    hash: Hash | None = None
    max_versions: Count | None = None
    clone_thresholds: bool | None = None
    reset: bool | None = None

    def start(self) -> Start:
        """Return the start as branches take it."""
        return Start(
            branch=self.branch,
            commit=self.hash or "",
            max_versions=MAX_VERSIONS if self.max_versions is None else self.max_versions,
            reset=bool(self.reset),
        )


class JsonNewReport(msgspec.Struct, frozen=True):
    """A report as CI posts it: one raw output of the benchmark tool per iteration."""

    branch: str
    testbed: str
    start_time: Instant
    end_time: Instant
    results: Results
    hash: Hash | None = None
    start_point: JsonUpdateStartPoint | None = None
    thresholds: JsonReportThresholds | None = None
    settings: JsonReportSettings | None = None
    idempotency_key: Key | None = None

    @property
    def start(self) -> Start | None:
        """Where the branch is to start from."""
        return self.start_point.start() if self.start_point else None


class JsonNewRun(msgspec.Struct, frozen=True):
    """A report as the `bencher` command line posts it; what is missing is told by the context."""

    start_time: Instant
    end_time: Instant
    results: Results
    project: str | None = None
    idempotency_key: UUID | None = None
    branch: str | None = None
    hash: Hash | None = None
    start_point: JsonUpdateStartPoint | None = None
    testbed: str | None = None
    spec_reset: bool | None = None
    thresholds: JsonReportThresholds | None = None
    settings: JsonReportSettings | None = None
    context: dict[str, str] | None = None
    job: dict[str, Any] | None = None

    def report(self) -> JsonNewReport:
        """Return the report that this run is. Raises InvalidBodyError."""
        context = self.context or {}
        return checked(
            JsonNewReport(
                branch=self.branch or context.get(_BRANCH_REF) or DEFAULT_BRANCH,
                testbed=self.testbed or context.get(_TESTBED_OS) or DEFAULT_TESTBED,
                start_time=self.start_time,
                end_time=self.end_time,
                results=self.results,
                hash=self.hash or _commit(context),
                start_point=self.start_point,
                thresholds=self.thresholds,
                settings=self.settings,
                idempotency_key=str(self.idempotency_key) if self.idempotency_key else None,
            )
        )


class JsonNewStartPoint(msgspec.Struct, frozen=True):
    """Where a new branch starts from."""

    branch: str
    hash: Hash | None = None
    max_versions: Count | None = None
    clone_thresholds: bool | None = None

    def start(self) -> Start:
        """Return the start as branches take it."""
        return Start(
            branch=self.branch,
            commit=self.hash or "",
            max_versions=MAX_VERSIONS if self.max_versions is None else self.max_versions,
        )


class JsonNewBranch(msgspec.Struct, frozen=True):
    """A branch to be made."""

    name: str
    slug: Slug | None = None
    start_point: JsonNewStartPoint | None = None

    def __post_init__(self) -> None:
        check_branch("name", self.name)
        check_slug("slug", self.slug)


class JsonUpdateBranch(msgspec.Struct, frozen=True):
    """What is to change in a branch; what is absent stays."""

    name: str | None = None
    slug: Slug | None = None
    start_point: JsonUpdateStartPoint | None = None
    archived: bool | None = None

    def __post_init__(self) -> None:
        if self.name is not None:
            check_branch("name", self.name)
        check_slug("slug", self.slug)


Body = TypeVar("Body", JsonNewReport, JsonNewRun)


def decode(body: bytes) -> JsonNewReport:
    """Return the report that a body holds. Raises InvalidBodyError."""
    return checked(read(body, JsonNewReport))


def decode_run(body: bytes) -> JsonNewRun:
    """Return the run that a body holds. Raises InvalidBodyError."""
    run = read(body, JsonNewRun)
    if run.job is not None:
        raise InvalidBodyError(
            "job asks for a bare metal runner, and this server has none: run the benchmarks"
            " yourself and send their results, without --image."
        )
    return run


def read(body: bytes, kind: type[Body]) -> Body:
    """Return a body as a value of that type. Raises InvalidBodyError."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidBodyError(f"The body can't be read: {error}.") from error


def checked(report: JsonNewReport) -> JsonNewReport:
    """Return the report if what types can't say holds too. Raises InvalidBodyError."""
    check_branch("branch", report.branch)
    check_name("testbed", report.testbed, max_bytes=64)
    if report.start_point is not None and report.start_point.branch is not None:
        check_branch("start_point.branch", report.start_point.branch)
    start_time = _in_utc("start_time", report.start_time)
    end_time = _in_utc("end_time", report.end_time)
    if end_time < start_time:
        raise InvalidBodyError("end_time lies before start_time; send the end of the run.")
    try:
        thresholds.check(report.thresholds)
    except InvalidModelError as error:
        raise InvalidBodyError(str(error)) from error
    return msgspec.structs.replace(report, start_time=start_time, end_time=end_time)


def _in_utc(field: str, at: datetime) -> datetime:
    """Return the instant in UTC: PostgreSQL knows fewer offsets than RFC 3339."""
    try:
        instant = at.astimezone(UTC)
    except OverflowError as error:
        raise InvalidBodyError(f"{field} lies outside of the years 1 to 9999.") from error
    if instant.year < EARLIEST_YEAR:
        raise InvalidBodyError(f"{field} lies before the year {EARLIEST_YEAR}; check its clock.")
    return instant


def check_branch(field: str, name: str) -> None:
    """Raise InvalidBodyError unless the name is one that git would take for a branch."""
    check_name(field, name, max_bytes=256)
    if (
        _NOT_IN_A_REFERENCE.search(name)
        or name.startswith((".", "/"))
        or name.endswith((".", "/"))
        or name == "@"
    ):
        raise InvalidBodyError(f"{field} {name!r} is not a name that git takes for a branch.")


def check_name(field: str, name: str, *, max_bytes: int) -> None:
    """Raise InvalidBodyError unless the name can be stored."""
    # Bencher measures names in bytes; a NUL can't be stored in PostgreSQL.
    size = len(name.encode("utf-8", "surrogatepass"))
    if not 1 <= size <= max_bytes:
        raise InvalidBodyError(f"{field} has {size} bytes; between 1 and {max_bytes} are allowed.")
    if name != name.strip() or "\0" in name:
        raise InvalidBodyError(f"{field} begins or ends with white space, or holds a NUL.")


def _commit(context: dict[str, str]) -> str | None:
    # A context describes where the command ran, and need not be from git.
    commit = context.get(_BRANCH_HASH, "")
    try:
        return msgspec.convert(commit, type=Hash)
    except msgspec.ValidationError:
        return None
