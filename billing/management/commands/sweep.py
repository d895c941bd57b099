"""Runs the nightly sweep by hand."""

import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from bencher import clock, progress
from bencher.tenancy.models import Organization
from billing import posting, runs, sweep


class Command(BaseCommand):
    """Post every active Pro organization's cumulative count, or show what would be posted."""

    help = (
        "Store one meter event for every metered Pro plan and the present day, as beat does each"
        " night. A second run on the same day stores nothing more. Exits 1 if a plan failed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take --dry-run."""
        parser.add_argument(
            "--dry-run", action="store_true", help="print what would be posted, store nothing"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Sweep, with progress on a terminal."""
        if posting.is_dark():
            raise CommandError(
                "Active series are not billed yet: set ACTIVE_SERIES_PRODUCT to Stripe's product."
            )
        show = progress.bar(sys.stderr, of="plans")
        if options["dry_run"]:
            self._preview(show)
            return
        from billing.tasks import send_meter_events

        now = clock.now()
        with runs.recorded("sweep", now=now) as run:
            swept = sweep.run(on=now.date(), progress=show)
            run.result = asdict(swept)
        self.stdout.write(
            f"{swept.plans} plans, {swept.events} events stored, {swept.failed} failed"
        )
        send_meter_events.delay()
        if swept.failed:
            sys.exit(1)

    def _preview(self, show: Any) -> None:
        rows = list(sweep.preview(progress=show))
        names = Organization.objects.in_bulk([row[0] for row in rows])
        for organization_id, value, latest in rows:
            before = "nothing yet" if latest is None else latest
            slug = names[organization_id].slug
            self.stdout.write(f"{slug}: would post {value} (posted last: {before})")
        self.stdout.write(f"{len(rows)} events would be stored")
