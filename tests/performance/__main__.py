"""Run the benchmarks: `make bench`, `make bench ARGS="recount close"`, `make bench-quick`.

Each has a database of its own, a clone of a migrated one on a PostgreSQL with fsync. Nothing here
fails for being slow; a benchmark fails where ways that must agree do not.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import django

from bencher import progress

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
django.setup()

from redis import Redis  # noqa: E402 - after Django is set up

from tests import databases  # noqa: E402
from tests.performance import (  # noqa: E402
    closing,
    fencing,
    ingesting,
    paging,
    recounting,
    reporting,
    sending,
    sweeping,
)
from tests.performance.measuring import Comparison, Progress  # noqa: E402
from tests.performance.sizes import FULL, QUICK, Sizes  # noqa: E402

Benchmark = Callable[[Sizes, Progress], Iterator[Comparison]]

BENCHMARKS: dict[str, Benchmark] = {
    "ingest": ingesting.benchmark,
    "fence": fencing.benchmark,
    "recount": recounting.benchmark,
    "sweep": sweeping.benchmark,
    "send": sending.benchmark,
    "close": closing.close_period,
    "explain": closing.explain,
    "usage": paging.benchmark,
    "backfill": closing.fill,
}


def main() -> None:
    """Run the benchmarks that were asked for and print what came of them."""
    options = _options()
    sizes = QUICK if options.quick else FULL
    if options.plans:
        sizes = replace(sizes, plans=options.plans)
    began = time.monotonic()
    template = databases.template()
    with databases.using(template):
        machine = reporting.machine()
    if machine["fsync"] != "on":
        sys.exit("This PostgreSQL runs without fsync, and its figures would mean nothing.")
    reporting.show_machine(machine)
    results = []
    for name in options.name or BENCHMARKS:
        for comparison in _run(BENCHMARKS[name], sizes, template=template):
            reporting.show(comparison)
            results.append(reporting.as_json(name, comparison))
    if options.json:
        _write(options.json, {"machine": machine, "quick": options.quick, "results": results})
    print(f"\nDone in {time.monotonic() - began:.0f} s.")


def _run(benchmark: Benchmark, sizes: Sizes, *, template: str) -> Iterator[Comparison]:
    name = f"bench_{os.getpid()}"
    databases.clone(name, of=template)
    try:
        with databases.using(name):
            yield from benchmark(sizes, progress.bar(sys.stderr, of="rounds"))
    finally:
        databases.drop(name)
        # The hints that reports gave, which no worker is there to take.
        with Redis.from_url(os.environ["REDIS_URL"]) as redis:
            redis.flushdb()


def _write(path: Path, found: dict[str, Any]) -> None:
    path.write_text(json.dumps(found, indent=2) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make bench",
        description="Compare, within one run, what is promised to be fast with what it could be"
        " at best and with what one would write first. Times are medians; ratios are to the first"
        " way of each table.",
    )
    parser.add_argument(
        "name", nargs="*", choices=[[], *BENCHMARKS], help=f"of {', '.join(BENCHMARKS)}"
    )
    parser.add_argument("--quick", action="store_true", help="smaller and fewer, in a few minutes")
    parser.add_argument("--plans", type=int, help="how many plans are swept (say, 100000)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write each round there")
    return parser.parse_args()


if __name__ == "__main__":
    main()
