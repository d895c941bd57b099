"""The results of reports, put together again from their metric columns."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from ingest import answers
from ingest.answers import JsonMetric, JsonReportMeasure, JsonReportResult
from ingest.columns import Column
from ingest.models import MetricColumn
from series.dimensions import Entity
from series.wire import JsonMeasure

# The two highest bits of this digit say which kind of UUID it is.
_VARIANT = {digit: "89ab"[int(digit, 16) % 4] for digit in "0123456789abcdef"}


def of_report(
    report: UUID,
    columns: Iterable[Column | MetricColumn],
    *,
    project: UUID,
    benchmarks: Mapping[int, Entity],
    measures: Mapping[int, Entity],
) -> list[list[JsonReportResult]]:
    """Return a list for each iteration that measured anything, sorted by the benchmarks' names.

    The entities are given by their ids.
    """
    shown = {id: answers.measure(entity, project=project) for id, entity in measures.items()}
    iterations: dict[int, list[Column | MetricColumn]] = defaultdict(list)
    for column in sorted(columns, key=lambda column: measures[column.measure_id].name):
        iterations[column.iteration].append(column)
    return [
        [
            JsonReportResult(
                iteration=number,
                benchmark=answers.benchmark(benchmarks[id], project=project),
                measures=row,
            )
            for id, row in sorted(
                _rows(report, iterations[number], benchmarks, shown).items(),
                key=lambda item: benchmarks[item[0]].name,
            )
        ]
        for number in sorted(iterations)
    ]


def _rows(
    report: UUID,
    columns: Sequence[Column | MetricColumn],
    benchmarks: Mapping[int, Entity],
    measures: Mapping[int, JsonMeasure],
) -> dict[int, list[JsonReportMeasure]]:
    """Return what each benchmark came to in one iteration, by the benchmark's id."""
    rows: dict[int, list[JsonReportMeasure]] = defaultdict(list)
    for column in columns:
        measure = measures[column.measure_id]
        # The part of the hash that all metrics of a column share.
        prefix = report.bytes + f"{column.iteration}/{measure.uuid}/".encode()
        metrics = zip(
            column.benchmark_ids,
            column.values,
            column.lower_values,
            column.upper_values,
            strict=True,
        )
        for id, value, lower, upper in metrics:
            # Only deleted reports are emptied, and those are not shown.
            assert value is not None
            uuid = _uuid5(prefix + str(benchmarks[id].uuid).encode())
            metric = JsonMetric(uuid=uuid, value=value, lower_value=lower, upper_value=upper)
            rows[id].append(JsonReportMeasure(measure=measure, metric=metric))
    return rows


def _uuid5(named: bytes) -> str:
    """Return the text of a version-5 UUID; a report has tens of thousands, so no object is made."""
    text = hashlib.sha1(named, usedforsecurity=False).hexdigest()
    return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{_VARIANT[text[16]]}{text[17:20]}-{text[20:32]}"
