"""Closes the periods that are due, by hand."""

import sys
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
        failed = self._close(list(close.due(now=now)), now=now)
        if failed:
            sys.exit(1)

    def _close(self, due: list[int], *, now: Any) -> int:
        from billing.tasks import send_meter_events

        show, failed = progress.bar(sys.stderr, of="periods"), 0
        for done, period_id in enumerate(due, start=1):
            try:
                statement = close.close(period_id, now=now)
            except close.LedgerDisagreesError as error:
                failed += 1
                self.stderr.write(str(error))
            else:
                amount = money.written(statement.amount_cents)
                self.stdout.write(f"closed: {statement}, {amount}")
            show(done, len(due))
        self.stdout.write(f"{len(due) - failed} periods closed, {failed} failed")
        send_meter_events.delay()
        return failed
