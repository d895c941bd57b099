"""Closes the periods that are due, by hand."""

import sys
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from bencher import clock, progress
from bencher.tenancy.models import Organization
from billing import close, money


class Command(BaseCommand):
    """Close every period that ended long enough ago, or show what that would come to."""

    help = (
        "Close every billing period that ended at least BILLING_CLOSE_DELAY ago, oldest first, as"
        " beat does each minute. Exits 1 if a period could not be closed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take --dry-run."""
        parser.add_argument(
            "--dry-run", action="store_true", help="print the statements, freeze nothing"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Close what is due, with progress on a terminal."""
        now = clock.now()
        if options["dry_run"]:
            for found in close.preview(now=now):
                slug = Organization.objects.get(pk=found.organization_id).slug
                amount = money.written(found.amount_cents)
                self.stdout.write(f"{slug}: would close at {found.series} series, {amount}")
            return
        if self._close(now=now):
            sys.exit(1)

    def _close(self, *, now: datetime) -> int:
        from billing.tasks import send_meter_events

        due = len(list(close.due(now=now)))
        show, failed, closed = progress.bar(sys.stderr, of="periods"), 0, 0
        for attempt in close.close_due(now=now):
            if attempt.statement is None:
                failed += 1
                self.stderr.write(attempt.failure)
            else:
                closed += 1
                amount = money.written(attempt.statement.amount_cents)
                self.stdout.write(f"closed: {attempt.statement}, {amount}")
            show(closed + failed, due)
        self.stdout.write(f"{closed} periods closed, {failed} failed")
        send_meter_events.delay()
        return failed
