"""How much one report may hold: storing and answering it must fit into memory and a request."""

from collections.abc import Sequence

from django.conf import settings

from ingest.adapters.results import Results
from ingest.wire import InvalidBodyError


def check(iterations: Sequence[Results]) -> None:
    """Raise InvalidBodyError where a report has too many benchmarks, measures or metrics."""
    benchmarks = {name for results in iterations for name in results}
    measures = {name for results in iterations for row in results.values() for name in row}
    metrics = sum(len(row) for results in iterations for row in results.values())
    for what, count, most in (
        ("benchmarks", len(benchmarks), settings.INGEST_MAX_BENCHMARKS),
        ("measures", len(measures), settings.INGEST_MAX_MEASURES),
        ("metrics over all iterations", metrics, settings.INGEST_MAX_METRICS),
    ):
        if count > most:
            raise InvalidBodyError(
                f"results have {count:,} {what}, and a report may have {most:,}; split it into"
                " several reports."
            )
