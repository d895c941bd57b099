"""Reports and branches as Bencher's clients read them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from bencher.tenancy.models import User
from ingest import models
from ingest.adapters.registry import Adapter
from series.dimensions import Entity
from series.wire import JsonBenchmark, JsonMeasure, JsonProject, JsonTestbed

# A text on our side, because a report has tens of thousands of them.
Uuid = Annotated[str, Meta(extra_json_schema={"format": "uuid"})]
Alerts = list[None]


class JsonPubUser(msgspec.Struct, frozen=True):
    """Who reported."""

    uuid: UUID
    name: str
    slug: str


class JsonVersion(msgspec.Struct, frozen=True):
    """A commit, or the next number where the report named none."""

    number: int
    hash: str | None


class JsonStartPoint(msgspec.Struct, frozen=True):
    """The version of another branch's head that a head starts from."""

    branch: UUID
    head: UUID
    version: JsonVersion


class JsonHead(msgspec.Struct, frozen=True):
    """One incarnation of a branch."""

    uuid: UUID
    start_point: JsonStartPoint | None
    version: JsonVersion | None
    created: datetime
    replaced: datetime | None


class JsonBranch(msgspec.Struct, frozen=True):
    """A branch at one of its heads."""

    uuid: UUID
    project: UUID
    name: str
    slug: str
    head: JsonHead
    created: datetime
    modified: datetime
    archived: datetime | None


class JsonMetric(msgspec.Struct, frozen=True, gc=False):
    """One measured value with its bounds."""

    uuid: Uuid
    value: float
    lower_value: float | None
    upper_value: float | None


class JsonReportMeasure(msgspec.Struct, frozen=True, gc=False):
    """What one measure of one benchmark came to. There are no thresholds and boundaries yet."""

    measure: JsonMeasure
    metric: JsonMetric
    threshold: None = None
    boundary: None = None


class JsonReportResult(msgspec.Struct, frozen=True):
    """What one benchmark came to in one iteration."""

    iteration: int
    benchmark: JsonBenchmark
    measures: list[JsonReportMeasure]


class JsonReportIterationCounts(msgspec.Struct, frozen=True):
    """How much one iteration measured."""

    benchmarks: int
    measures: int


class JsonReportAlertsCounts(msgspec.Struct, frozen=True):
    """How many alerts there are."""

    active: int = 0
    total: int = 0


class JsonReportCounts(msgspec.Struct, frozen=True):
    """How much a report measured."""

    results: list[JsonReportIterationCounts]
    alerts: JsonReportAlertsCounts = JsonReportAlertsCounts()


class JsonReport(msgspec.Struct, frozen=True):
    """A report. In lists its results and alerts are left out, unless they are asked for."""

    uuid: UUID
    user: JsonPubUser | None
    project: JsonProject
    branch: JsonBranch
    testbed: JsonTestbed
    adapter: Adapter
    start_time: datetime
    end_time: datetime
    counts: JsonReportCounts
    created: datetime
    results: list[list[JsonReportResult]] | UnsetType = UNSET
    alerts: Alerts | UnsetType = UNSET


def report(
    stored: models.Report,
    *,
    project: JsonProject,
    testbed: JsonTestbed,
    results: list[list[JsonReportResult]] | None = None,
) -> JsonReport:
    """Return a report, collapsed where no results are given."""
    return JsonReport(
        uuid=stored.uuid,
        user=_user(stored.user),
        project=project,
        branch=branch(stored.head, stored.version, project=project.uuid),
        testbed=testbed,
        adapter=Adapter.from_code(stored.adapter),
        start_time=_utc(stored.start_time),
        end_time=_utc(stored.end_time),
        counts=counts(stored.benchmark_counts, stored.measure_counts),
        created=_utc(stored.received_at),
        results=UNSET if results is None else results,
        alerts=UNSET if results is None else [],
    )


def counts(benchmarks: Sequence[int], measures: Sequence[int]) -> JsonReportCounts:
    """Return the counts of a report from those of its iterations."""
    return JsonReportCounts(
        results=[
            JsonReportIterationCounts(benchmarks=of_benchmarks, measures=of_measures)
            for of_benchmarks, of_measures in zip(benchmarks, measures, strict=True)
        ]
    )


def branch(head: models.Head, version: models.Version | None, *, project: UUID) -> JsonBranch:
    """Return a branch at a head and a version of it."""
    stored = head.branch
    return JsonBranch(
        uuid=stored.uuid,
        project=project,
        name=stored.name,
        slug=stored.slug,
        head=JsonHead(
            uuid=head.uuid,
            start_point=_start(head),
            version=_version(version) if version else None,
            created=_utc(head.created_at),
            replaced=head.replaced_at and _utc(head.replaced_at),
        ),
        created=_utc(stored.created_at),
        modified=_utc(stored.modified_at),
        archived=stored.archived_at and _utc(stored.archived_at),
    )


def testbed(found: Entity, *, project: UUID) -> JsonTestbed:
    """Return a testbed."""
    return JsonTestbed(**_fields(found, project))


def benchmark(found: Entity, *, project: UUID) -> JsonBenchmark:
    """Return a benchmark."""
    return JsonBenchmark(**_fields(found, project))


def measure(found: Entity, *, project: UUID) -> JsonMeasure:
    """Return a measure."""
    return JsonMeasure(units=found.units, **_fields(found, project))


def _fields(found: Entity, project: UUID) -> Any:
    return {
        "uuid": found.uuid,
        "project": project,
        "name": found.name,
        "slug": found.slug,
        "created": _utc(found.created_at),
        "modified": _utc(found.modified_at),
        "archived": found.archived_at and _utc(found.archived_at),
    }


def _start(head: models.Head) -> JsonStartPoint | None:
    if head.start_head is None or head.start_version is None:
        return None
    return JsonStartPoint(
        branch=head.start_head.branch.uuid,
        head=head.start_head.uuid,
        version=_version(head.start_version),
    )


def _version(version: models.Version) -> JsonVersion:
    return JsonVersion(number=version.number, hash=version.hash or None)


def _user(user: User | None) -> JsonPubUser | None:
    return None if user is None else JsonPubUser(uuid=user.uuid, name=user.name, slug=user.slug)


def _utc(at: datetime) -> datetime:
    # What was just received still has the zone that it was sent in.
    return at.astimezone(UTC)
