"""Acme's autumn: a trial, a paid month with its statement, and half of the next one.

The same people, names and instants each time, so that pictures of it change only with the pages.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import msgspec
import requests

from bencher import clock, time_travel
from billing import tasks
from billing.models import BillingPeriod
from tests.scenario.conftest import Customer, advance
from tests.stripe_sandbox import Sandbox

START = datetime(2026, 9, 30, 9, 12, 40, tzinfo=UTC)
NOW = datetime(2026, 11, 18, 12, 3, 7, tzinfo=UTC)
MEASURES = {"latency": 1250.5, "throughput": 48_000.0}
GROUPS = ("decode", "encode", "merge", "query", "sort", "scan")
BENCHMARKS = [f"{group}/{size}" for size in (1, 8, 64, 512, 4096) for group in GROUPS]
# When, where, and how many of the benchmarks: two series each.
REPORTS = [
    (datetime(2026, 9, 30, 15, tzinfo=UTC), "engine", "linux-x64", 20),
    (datetime(2026, 10, 5, 8, tzinfo=UTC), "engine", "linux-x64", 24),
    (datetime(2026, 10, 9, 8, tzinfo=UTC), "parser", "linux-x64", 18),
    (datetime(2026, 10, 14, 8, tzinfo=UTC), "engine", "linux-riscv64", 9),
    (datetime(2026, 10, 20, 8, tzinfo=UTC), "engine", "linux-arm64", 28),
    (datetime(2026, 10, 20, 9, tzinfo=UTC), "playground", "linux-x64", 6),
    (datetime(2026, 11, 4, 8, tzinfo=UTC), "engine", "linux-x64", 30),
    (datetime(2026, 11, 6, 8, tzinfo=UTC), "engine", "linux-arm64", 28),
    (datetime(2026, 11, 9, 8, tzinfo=UTC), "parser", "linux-x64", 24),
    (datetime(2026, 11, 12, 8, tzinfo=UTC), "playground", "linux-x64", 6),
    (datetime(2026, 11, 16, 8, tzinfo=UTC), "parser", "macos-arm64", 24),
    (datetime(2026, 11, 17, 8, tzinfo=UTC), "engine", "macos-arm64", 22),
]
LAST_NIGHT = datetime(2026, 11, 18, 3, tzinfo=UTC)
AT_LAST = datetime(2026, 11, 18, 11, 58, 22, tzinfo=UTC)


def begin(sandbox: Sandbox) -> None:
    """Set both clocks to the day on which Acme comes."""
    sandbox.set_clock(int(START.timestamp()))
    time_travel.follow()


def live(customer: Customer, projects: dict[str, dict[str, Any]]) -> None:
    """Let Acme subscribe and report until the present of the pictures."""
    instants = time_travel._instants
    with patch.object(time_travel, "_instants", lambda *, after: _without_nights(instants, after)):
        customer.subscribe()
        for at, slug, testbed, benchmarks in REPORTS:
            _go_to(at)
            report(customer.url, projects[slug], testbed=testbed, benchmarks=benchmarks)
        _have_a_night()
        _go_to(AT_LAST)
        report(customer.url, projects["engine"], testbed="linux-x64", benchmarks=30)
        _go_to(NOW)


def _have_a_night() -> None:
    """Do what beat does by night, in the last one only: the others would show nothing."""
    _go_to(LAST_NIGHT)
    for task in (
        tasks.nightly_sweep,
        tasks.nightly_days,
        tasks.nightly_reconcile,
        tasks.nightly_prune,
    ):
        task.run()


def _go_to(at: datetime) -> None:
    """Move both clocks, and where a period ends on the way, do all that belongs to that."""
    if BillingPeriod.objects.filter(state=BillingPeriod.State.OPEN, ends_at__lt=at).exists():
        advance(at)
    else:
        time_travel._move_stripe_to(at)
        time_travel.follow()


def report(
    url: str, project: dict[str, Any], *, testbed: str, benchmarks: int
) -> requests.Response:
    """Report the first so many benchmarks, as CI does."""
    now = clock.now()
    result = {
        name: {measure: {"value": value} for measure, value in MEASURES.items()}
        for name in BENCHMARKS[:benchmarks]
    }
    response = requests.post(
        f"{url}/v0/projects/{project['slug']}/reports",
        json={
            "branch": "main",
            "testbed": testbed,
            "start_time": (now - timedelta(seconds=41)).isoformat(),
            "end_time": now.isoformat(),
            "results": [msgspec.json.encode(result).decode()],
            "settings": {"adapter": "json"},
        },
        headers={"Authorization": f"Bearer {project['key']}"},
        timeout=30,
    )
    response.raise_for_status()
    return response


def _without_nights(instants: Any, after: datetime) -> Iterator[datetime]:
    """Leave out the nightly sweeps, which change nothing that a page shows."""
    for at in instants(after=after):
        if (at.hour, at.minute, at.second) != (3, 0, 0):
            yield at
    yield after + timedelta(days=30)


def stopped() -> Any:
    """Return a context in which the site's clock stands still at the present of the pictures."""
    return patch.multiple(clock, now=lambda: NOW, sql=lambda: f"timestamptz '{NOW.isoformat()}'")
