"""What a report would add, without storing it: reads only, and waits for nobody."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from ingest import branches, columns, reports
from ingest.on_the_fly import NewProject
from ingest.reports import Submission
from series import dimensions, last_seen
from series.dimensions import Entity, Found

MAX_SHOWN = 255


class JsonNewSeries(msgspec.Struct, frozen=True):
    """A series that the report would be the first to name."""

    testbed: str
    benchmark: str
    measure: str


class JsonDryRun(msgspec.Struct, frozen=True):
    """How many series would be new, and the first of them by benchmark and measure."""

    new_series: int
    series: list[JsonNewSeries]


def preview(sent: Submission, *, now: datetime) -> JsonDryRun:
    """Return what accepting the report now would add to the series.

    Raises what accepting it would raise, except for races.
    """
    iterations = reports.read(sent, now=now)
    if reports.replay(sent) is not None:
        return JsonDryRun(new_series=0, series=[])
    wanted = reports.wanted(sent.payload, iterations)
    found = Found()
    if not isinstance(sent.project, NewProject):
        found = dimensions.find(sent.project.pk, wanted)
        branches.find(sent.project.pk, sent.payload.branch)
    titles = {name: wanted.describe(name).name for name in wanted.measures}
    benchmarks = _numbered(found.benchmarks, {name: name for name in wanted.benchmarks})
    measures = _numbered(found.measures, titles)
    table = list(columns.columns(iterations, benchmarks=benchmarks, measures=measures))
    new = _unseen(sent, found, list(zip(*columns.series(table), strict=True)))
    testbed = _title(found.testbeds, sent.payload.testbed)
    benchmark_names = {id: _title(found.benchmarks, name) for name, id in benchmarks.items()}
    measure_names = {
        id: found.measures[name].name if name in found.measures else titles[name]
        for name, id in measures.items()
    }
    series = sorted((benchmark_names[one], measure_names[other]) for one, other in new)
    return JsonDryRun(
        new_series=len(series),
        series=[
            JsonNewSeries(testbed=testbed, benchmark=benchmark, measure=measure)
            for benchmark, measure in series[:MAX_SHOWN]
        ],
    )


def _numbered(known: Mapping[str, Entity], titles: Mapping[str, str]) -> dict[str, int]:
    """Return ids by name; what is not stored yet gets negative ones by the title it would have."""
    new = sorted({title for name, title in titles.items() if name not in known})
    ids = {title: -number for number, title in enumerate(new, start=1)}
    return {name: known[name].id if name in known else ids[title] for name, title in titles.items()}


def _title(known: Mapping[str, Entity], name: str) -> str:
    return known[name].name if name in known else name


def _unseen(
    sent: Submission, found: Found, pairs: Sequence[tuple[int, int]]
) -> Sequence[tuple[int, int]]:
    testbed = found.testbeds.get(sent.payload.testbed)
    if testbed is None or isinstance(sent.project, NewProject):
        return pairs
    seen = last_seen.seen(
        organization_id=sent.project.organization_id, testbed_id=testbed.id, pairs=pairs
    )
    return [pair for pair in pairs if pair not in seen]
