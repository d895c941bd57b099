"""Showing what was measured: a table for people, JSON for programs, and on which machine."""

import os
import platform
import sys
from datetime import UTC
from pathlib import Path
from typing import Any

from django.db import connection

from bencher import clock
from tests.performance.measuring import Comparison, Measured


def machine() -> dict[str, str]:
    """Return what must be known of the machine to judge the figures."""
    with connection.cursor() as cursor:
        settings = {}
        for name in ("server_version", "fsync", "synchronous_commit", "shared_buffers"):
            cursor.execute(f"SHOW {name}")
            row = cursor.fetchone()
            assert row is not None
            settings[name] = str(row[0])
    return {
        "date": f"{clock.now().astimezone(UTC):%Y-%m-%d %H:%M} UTC",
        "cores": str(os.cpu_count()),
        "processor": _processor(),
        "load": f"{os.getloadavg()[0]:.1f} when begun",
        "Python": platform.python_version(),
        "PostgreSQL": settings.pop("server_version"),
        **settings,
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def show_machine(facts: dict[str, str]) -> None:
    """Print the machine's facts."""
    print(", ".join(f"{name} {value}" for name, value in facts.items()), flush=True)


def show(comparison: Comparison) -> None:
    """Print a comparison as a table."""
    base, rounds = comparison.ways[0], len(comparison.ways[0].seconds)
    rate = f"{comparison.unit}/s" if comparison.unit else ""
    print(f"\n{comparison.title} (medians of {rounds})")
    print(f"  {'':46} {'median':>10} {'fastest':>10} {'ratio':>8} {rate:>14}")
    for way in comparison.ways:
        print(
            f"  {way.name:46} {_duration(way.median):>10} {_duration(min(way.seconds)):>10}"
            f" {way.ratio(base):>8.2f} {_rate(comparison, way):>14}"
        )
    sys.stdout.flush()


def _duration(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 10 else f"{seconds * 1000:,.2f} ms"


def _rate(comparison: Comparison, way: Measured) -> str:
    return f"{comparison.amount / way.median:,.0f}" if comparison.unit else ""


def as_json(name: str, comparison: Comparison) -> dict[str, Any]:
    """Return a comparison for programs; times in seconds, each round's too."""
    base = comparison.ways[0]
    return {
        "benchmark": name,
        "title": comparison.title,
        "amount": comparison.amount,
        "unit": comparison.unit,
        "ways": [
            {
                "name": way.name,
                "median_seconds": way.median,
                "ratio": way.ratio(base),
                "seconds": way.seconds,
            }
            for way in comparison.ways
        ],
    }
