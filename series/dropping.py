"""Counting with some projects, testbeds, benchmarks or measures left out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from bencher import clock
from series import counting
from series.counting import Basis
from series.models import Benchmark, Measure, Project, Testbed


class NoSuchEntityError(LookupError):
    """There is no such project, testbed, benchmark or measure, which `kind` says."""

    def __init__(self, kind: str, uuid: UUID) -> None:
        super().__init__(f"The organization has no {kind} {uuid}.")
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Dropped:
    """What is left out, by id."""

    projects: Sequence[int] = ()
    testbeds: Sequence[int] = ()
    benchmarks: Sequence[int] = ()
    measures: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Counts:
    """How many series are billed as it is, and without what is left out; of one snapshot."""

    now: int
    then: int
    counted_at: datetime


_WITHOUT = (
    "project_id = ANY(%(projects)s::bigint[]) OR testbed_id = ANY(%(testbeds)s::bigint[])"
    " OR benchmark_id = ANY(%(benchmarks)s::bigint[]) OR measure_id = ANY(%(measures)s::bigint[])"
)


def resolve(
    organization_id: int,
    *,
    projects: Sequence[UUID],
    testbeds: Sequence[UUID],
    benchmarks: Sequence[UUID],
    measures: Sequence[UUID],
) -> Dropped:
    """Return the ids of these UUIDs. Raises NoSuchEntityError for one of another organization."""
    return Dropped(
        projects=_ids(Project, projects, organization_id=organization_id),
        testbeds=_ids(Testbed, testbeds, project__organization_id=organization_id),
        benchmarks=_ids(Benchmark, benchmarks, project__organization_id=organization_id),
        measures=_ids(Measure, measures, project__organization_id=organization_id),
    )


def _ids(model: Any, uuids: Sequence[UUID], **scope: int) -> list[int]:
    if not uuids:
        return []
    found = dict(model.objects.filter(uuid__in=uuids, **scope).values_list("uuid", "id"))
    for uuid in uuids:
        if uuid not in found:
            raise NoSuchEntityError(str(model._meta.model_name), uuid)
    return sorted(found.values())


def count(
    organization_id: int, dropped: Dropped, *, start: datetime, end: datetime, basis: Basis
) -> Counts:
    """Count the billed series of an open period, with everything and without what is dropped."""
    bounds = {
        "organization": "%(organization)s",
        "start": "%(start)s",
        "end": "%(end)s",
        "basis": "%(basis)s",
    }
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT ({counting.active_sql(**bounds)}),"
            f" ({counting.active_sql(**bounds, without=_WITHOUT)}), {clock.sql()}",
            {
                "organization": organization_id,
                "start": start,
                "end": end,
                "basis": basis.value,
                "projects": list(dropped.projects),
                "testbeds": list(dropped.testbeds),
                "benchmarks": list(dropped.benchmarks),
                "measures": list(dropped.measures),
            },
        )
        row = cursor.fetchone()
    assert row is not None
    return Counts(*row)
