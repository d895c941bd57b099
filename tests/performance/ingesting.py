"""Taking one report: the whole way in, against what PostgreSQL alone needs for the same rows."""

from collections.abc import Callable, Iterator, Sequence
from itertools import count

import msgspec
from django.db import connection, transaction
from django.test import Client

from bencher import clock
from series.models import Benchmark, Measure, Project
from tests.factories import make_project_key
from tests.performance.measuring import Comparison, Progress, Way, compare
from tests.performance.sizes import Sizes
from tests.performance.world import accept, body, make_private_project, run

PART = 1000

# As bare as they can be: the same columns and indexes, no foreign keys.
FLOOR = """
CREATE TABLE floor_column (LIKE ingest_metriccolumn INCLUDING INDEXES);
CREATE TABLE floor_series (LIKE series_last_seen INCLUDING INDEXES);
CREATE TABLE floor_commit (id bigint PRIMARY KEY);
"""
FLOOR_COLUMN = """
INSERT INTO floor_column (organization_id, report_id, iteration, measure_id, part, benchmark_ids,
                          values, lower_values, upper_values) VALUES
"""
FLOOR_SERIES = """
INSERT INTO floor_series AS ledger
    (organization_id, testbed_id, benchmark_id, measure_id, project_id, last_seen)
SELECT 1, 1, benchmark_id, measure_id, 1, %s
FROM unnest(%s::bigint[], %s::bigint[]) AS t (benchmark_id, measure_id)
ORDER BY benchmark_id, measure_id
ON CONFLICT (organization_id, testbed_id, benchmark_id, measure_id)
DO UPDATE SET last_seen = excluded.last_seen WHERE excluded.last_seen > ledger.last_seen
"""


def benchmark(sizes: Sizes, progress: Progress) -> Iterator[Comparison]:
    """Compare the ways in for each size of report."""
    run(FLOOR)
    names = count()
    for benchmarks, measures, rounds in sizes.reports:
        project = make_private_project(f"Acme {benchmarks}")
        yield compare(
            f"ingest of one report, {benchmarks:,} benchmarks x {measures} measures",
            _ways(project, benchmarks, measures, names),
            rounds=rounds,
            progress=progress,
            amount=benchmarks * measures,
            unit="metrics",
        )


def _ways(project: Project, benchmarks: int, measures: int, names: Iterator[int]) -> list[Way]:
    def known() -> bytes:
        return body(benchmarks, measures)

    def new() -> bytes:
        return body(benchmarks, measures, prefix=f"new{next(names)}")

    post = _poster(project)
    accept(project, known())
    return [
        Way("bare: equal arrays and series, one transaction", *_floor(project)),
        Way("bare: one row, one commit", _one_commit, prepare=lambda: next(names)),
        Way("accept, all names known", lambda sent: accept(project, sent), prepare=known),
        Way("accept, all names new", lambda sent: accept(project, sent), prepare=new),
        Way("POST in process, all names known", post, prepare=known),
        Way("POST in process, all names new", post, prepare=new),
    ]


def _poster(project: Project) -> Callable[[bytes], None]:
    client = Client(headers={"authorization": f"Bearer {make_project_key(project)}"})

    def post(sent: bytes) -> None:
        url = f"/v0/projects/{project.uuid}/reports"
        response = client.post(url, sent, content_type="application/json")
        assert response.status_code == 201, response.content

    return post


def _one_commit(number: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO floor_commit VALUES (%s)", [number])


def _floor(project: Project) -> tuple[Callable[[int], None], Callable[[], int]]:
    """Return the writing of a report's rows, already put into PostgreSQL's words."""
    names = Benchmark.objects.filter(project=project).order_by("id")
    benchmarks = list(names.values_list("id", flat=True))
    measures = list(
        Measure.objects.filter(project=project).order_by("id").values_list("id", flat=True)
    )
    rows = [
        (measure, part, benchmarks[start : start + PART])
        for measure in measures
        for part, start in enumerate(range(0, len(benchmarks), PART))
    ]
    insert = FLOOR_COLUMN + ",".join(["(1, %s, 0, %s, %s, %s, %s, %s, %s)"] * len(rows))
    arrays: list[list[int | str]] = []
    for measure, part, ids in rows:
        nothing = _array([None] * len(ids))
        values = _array([id + 0.5 for id in ids])
        arrays.append([measure, part, _array(ids), values, nothing, nothing])
    pairs = [(benchmark, measure) for benchmark in benchmarks for measure in measures]
    series = [_array([pair[0] for pair in pairs]), _array([pair[1] for pair in pairs])]
    reports = count(project.pk * 1_000_000)

    def write(report: int) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            parameters: list[int | str] = []
            for row in arrays:
                parameters += [report, *row]
            cursor.execute(insert, parameters)
            cursor.execute(FLOOR_SERIES, [clock.now(), *series])

    return write, lambda: next(reports)


def _array(numbers: Sequence[float | None]) -> str:
    return "{" + msgspec.json.encode(numbers)[1:-1].decode() + "}"
