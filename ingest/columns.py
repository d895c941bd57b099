"""Turning parsed results into metric columns and the series they touch."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from django.db import connection

from bencher.db import transaction_required
from ingest.adapters.results import Results
from ingest.models import Report

# Reading one series of a wide suite then stays cheap.
MAX_BENCHMARKS_PER_PART = 1000

_INSERT = """
INSERT INTO ingest_metriccolumn (
    organization_id, report_id, iteration, measure_id, part,
    benchmark_ids, values, lower_values, upper_values
) VALUES """
_ROW = "(%s, %s, %s, %s, %s, %s::bigint[], %s::float8[], %s::float8[], %s::float8[])"


class AmbiguousNameError(ValueError):
    """Two names in one report mean the same benchmark or measure."""


@dataclass(slots=True)
class Column:
    """One measure of one iteration: parallel lists, sorted by benchmark."""

    iteration: int
    measure_id: int
    part: int = 0
    benchmark_ids: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    lower_values: list[float | None] = field(default_factory=list)
    upper_values: list[float | None] = field(default_factory=list)


def columns(
    iterations: Sequence[Results], *, benchmarks: Mapping[str, int], measures: Mapping[str, int]
) -> Iterator[Column]:
    """Yield the columns of a report, given the ids of its names. Raises AmbiguousNameError."""
    for number, results in enumerate(iterations):
        yield from _iteration(number, results, benchmarks=benchmarks, measures=measures)


def _iteration(
    number: int,
    results: Results,
    *,
    benchmarks: Mapping[str, int],
    measures: Mapping[str, int],
) -> Iterator[Column]:
    ids = {name: benchmarks[name] for name in results}
    _refuse_synonyms(ids)
    latest: dict[int, Column] = {}
    for name in sorted(ids, key=ids.__getitem__):
        for measure, metric in results[name].items():
            column = latest.get(measures[measure])
            if column is None or len(column.benchmark_ids) == MAX_BENCHMARKS_PER_PART:
                if column is not None:
                    yield column
                part = 0 if column is None else column.part + 1
                column = latest[measures[measure]] = Column(number, measures[measure], part)
            elif column.benchmark_ids[-1] == ids[name]:
                raise AmbiguousNameError(
                    f"results give benchmark {name!r} one measure twice, once as {measure!r};"
                    " send it once."
                )
            column.benchmark_ids.append(ids[name])
            column.values.append(metric.value)
            column.lower_values.append(metric.lower_value)
            column.upper_values.append(metric.upper_value)
    yield from latest.values()


def _refuse_synonyms(ids: dict[str, int]) -> None:
    if len(set(ids.values())) == len(ids):
        return
    seen: dict[int, str] = {}
    for name, id in ids.items():
        if id in seen:
            raise AmbiguousNameError(
                f"results name one benchmark twice, as {seen[id]!r} and as {name!r}; send it once."
            )
        seen[id] = name


def counts(columns: Sequence[Column]) -> tuple[list[int], list[int]]:
    """Return how many benchmarks and measures each iteration has that measured anything."""
    benchmarks: dict[int, set[int]] = {}
    measures: dict[int, set[int]] = {}
    for column in columns:
        benchmarks.setdefault(column.iteration, set()).update(column.benchmark_ids)
        measures.setdefault(column.iteration, set()).add(column.measure_id)
    iterations = sorted(benchmarks)
    return [len(benchmarks[i]) for i in iterations], [len(measures[i]) for i in iterations]


def series(columns: Sequence[Column]) -> tuple[list[int], list[int]]:
    """Return the distinct (benchmark, measure) pairs of a report as two parallel lists."""
    pairs = {
        (benchmark, column.measure_id) for column in columns for benchmark in column.benchmark_ids
    }
    ordered = sorted(pairs)
    return [benchmark for benchmark, _ in ordered], [measure for _, measure in ordered]


@transaction_required
def insert(report: Report, columns: Sequence[Column]) -> None:
    """Store the columns of a report in one statement."""
    if not columns:
        return
    parameters: list[Any] = []
    for column in columns:
        parameters += [
            report.organization_id,
            report.pk,
            column.iteration,
            column.measure_id,
            column.part,
            _array(column.benchmark_ids),
            _array(column.values),
            _array(column.lower_values),
            _array(column.upper_values),
        ]
    with connection.cursor() as cursor:
        cursor.execute(_INSERT + ",".join([_ROW] * len(columns)), parameters)


def _array(numbers: Sequence[float | None]) -> str:
    # An array of numbers is written like a list in JSON, but for its brackets. Written so it costs
    # a third of what the field and the driver take for a list.
    return "{" + msgspec.json.encode(numbers)[1:-1].decode() + "}"
