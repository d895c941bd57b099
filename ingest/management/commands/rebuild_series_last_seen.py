"""Fills the ledger from the reports, or checks it against them."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from bencher import progress
from ingest import backfill

SHOWN = 100


class Command(BaseCommand):
    """Raise series_last_seen to what the reports say, or report where it differs."""

    help = (
        "Fill series_last_seen from the reports, as its migration did; may run at any time, also"
        " while reports come in, and be stopped and started again. --check changes nothing,"
        " reports the differences and exits 1 if there are any."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take --check."""
        parser.add_argument("--check", action="store_true", help="report differences, fill nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Fill or check, with progress on a terminal."""
        if options["check"]:
            self._check()
            return
        filled = backfill.fill(progress=progress.bar(sys.stderr, of="reports"))
        self.stdout.write(f"{filled.reports:,} reports read, {filled.rows:,} rows made or raised")

    def _check(self) -> None:
        show = progress.bar(sys.stderr, of="organizations")
        found = list(backfill.differences(limit=SHOWN, progress=show))
        for row in found:
            self.stdout.write(
                f"{row.organization}: {row.testbed} / {row.benchmark} / {row.measure}:"
                f" ledger {row.ledger or 'has none'}, reports {row.reports or 'have none'}"
            )
        if found:
            more = " or more" if len(found) == SHOWN else ""
            self.stdout.write(f"{len(found)}{more} series differ")
            sys.exit(1)
        self.stdout.write("The ledger is what the reports say.")
