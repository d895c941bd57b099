"""Turning parsed results into metric columns and the series they touch."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ingest.adapters.results import Results

# Reading one series of a wide suite then stays cheap.
MAX_BENCHMARKS_PER_PART = 1000


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
