"""Reports as Bencher's clients read them."""

from collections import defaultdict
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

from ingest.adapters.registry import Adapter
from ingest.models import Branch, Head, MetricColumn, Report, Version
from series.models import Benchmark, Dimension, Measure, Project

Json = dict[str, Any]


def instant(at: datetime | None) -> str | None:
    """Return an instant as RFC 3339 in UTC, None for none."""
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def report(report: Report) -> Json:
    """Return a whole report with its results, in a number of queries that does not grow."""
    results, counts = _results(report)
    return {
        "uuid": str(report.uuid),
        "user": None
        if report.user is None
        else {
            "uuid": str(report.user.uuid),
            "name": report.user.name,
            "slug": report.user.slug,
        },
        "project": project(report.project),
        "branch": branch(report.head.branch, report.head, report.version),
        "testbed": dimension(report.testbed),
        "adapter": Adapter.from_code(report.adapter).value,
        "start_time": instant(report.start_time),
        "end_time": instant(report.end_time),
        "results": results,
        "alerts": [],
        "counts": {"results": counts, "alerts": {"active": 0, "total": 0}},
        "created": instant(report.received_at),
    }


def project(project: Project) -> Json:
    """Return a project."""
    return {
        "uuid": str(project.uuid),
        "organization": str(project.organization.uuid),
        "name": project.name,
        "slug": project.slug,
        "url": project.url or None,
        "visibility": project.visibility,
        "created": instant(project.created_at),
        "modified": instant(project.modified_at),
        "claimed": instant(project.created_at),
    }


def branch(branch: Branch, head: Head, version: Version | None) -> Json:
    """Return a branch at a head and version."""
    return {
        "uuid": str(branch.uuid),
        "project": str(branch.project.uuid),
        "name": branch.name,
        "slug": branch.slug,
        "head": {
            "uuid": str(head.uuid),
            "start_point": None,
            "version": version and {"number": version.number, "hash": version.hash or None},
            "created": instant(head.created_at),
            "replaced": instant(head.replaced_at),
        },
        "created": instant(branch.created_at),
        "modified": instant(branch.modified_at),
        "archived": instant(branch.archived_at),
    }


def dimension(entity: Dimension, *, project: UUID | None = None) -> Json:
    """Return a testbed, benchmark or measure."""
    shown: Json = {
        "uuid": str(entity.uuid),
        "project": str(project or entity.project.uuid),
        "name": entity.name,
        "slug": entity.slug,
        "created": instant(entity.created_at),
        "modified": instant(entity.modified_at),
        "archived": instant(entity.archived_at),
    }
    if isinstance(entity, Measure):
        shown["units"] = entity.units
    return shown


def metric_uuid(report: UUID, *, iteration: int, measure: UUID, benchmark: UUID) -> UUID:
    """Return the public id of a metric: a version-5 UUID of what identifies it."""
    return uuid5(report, f"{iteration}/{measure}/{benchmark}")


def _results(report: Report) -> tuple[list[list[Json]], list[Json]]:
    columns = list(report.columns.all())
    measures = {
        row.pk: row for row in Measure.objects.filter(pk__in={c.measure_id for c in columns})
    }
    benchmarks = {
        row.pk: row
        for row in Benchmark.objects.filter(
            pk__in={id for column in columns for id in column.benchmark_ids}
        )
    }
    columns.sort(key=lambda column: measures[column.measure_id].name)
    iterations: dict[int, list[MetricColumn]] = defaultdict(list)
    for column in columns:
        iterations[column.iteration].append(column)
    results, counts = [], []
    for number in sorted(iterations):
        rows = _iteration(report, number, iterations[number], measures, benchmarks)
        results.append(rows)
        counts.append(
            {"benchmarks": len(rows), "measures": len({c.measure_id for c in iterations[number]})}
        )
    return results, counts


def _iteration(
    report: Report,
    number: int,
    columns: list[MetricColumn],
    measures: dict[int, Measure],
    benchmarks: dict[int, Benchmark],
) -> list[Json]:
    project = report.project.uuid
    rows: dict[int, list[Json]] = defaultdict(list)
    for column in columns:
        measure = measures[column.measure_id]
        shown = dimension(measure, project=project)
        for id, value, lower, upper in zip(
            column.benchmark_ids,
            column.values,
            column.lower_values,
            column.upper_values,
            strict=True,
        ):
            uuid = metric_uuid(
                report.uuid,
                iteration=number,
                measure=measure.uuid,
                benchmark=benchmarks[id].uuid,
            )
            metric = {
                "uuid": str(uuid),
                "value": value,
                "lower_value": lower,
                "upper_value": upper,
            }
            rows[id].append(
                {"measure": shown, "metric": metric, "threshold": None, "boundary": None}
            )
    return [
        {
            "iteration": number,
            "benchmark": dimension(benchmarks[id], project=project),
            "measures": rows[id],
        }
        for id in sorted(rows, key=lambda id: benchmarks[id].name)
    ]
