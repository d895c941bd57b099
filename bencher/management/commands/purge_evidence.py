"""Removes what was only kept as evidence, once it has served."""

import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction

from bencher import clock, progress
from bencher.dates import rfc3339
from billing import expiry as billing_expiry
from billing.expiry import Expired
from ingest import expiry as ingest_expiry
from ingest.expiry import Purged
from series import expiry as series_expiry


class Command(BaseCommand):
    """Purge deleted reports of periods that were settled more than EVIDENCE_MONTHS ago."""

    help = (
        "Remove deleted reports that were only kept because they prove what was billed, of"
        " periods settled more than EVIDENCE_MONTHS ago. Statements, their lines and hashes stay;"
        " those periods can't be recounted any more. Reports that are shown are never removed."
        " May run at any time, also while reports come in, and be stopped and started again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take --dry-run."""
        parser.add_argument(
            "--dry-run", action="store_true", help="print what would go, and remove nothing"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Purge organization by organization, with progress on a terminal."""
        now = clock.now()
        expired = billing_expiry.due(months=settings.EVIDENCE_MONTHS, now=now)
        total = Purged(reports=0, columns=0)
        for one in expired:
            found = ingest_expiry.due(one.organization_id, before=one.before)
            if not options["dry_run"]:
                with transaction.atomic(durable=True):
                    series_expiry.raise_to(one.organization_id, one.before, now=now)
                found = _purge(one, of=found)
            total = _sum(total, found)
            self.stdout.write(
                f"{one.organization}: {found.reports:,} reports with {found.columns:,} columns"
                f" from before {rfc3339(one.before)}"
            )
        verb = "would go" if options["dry_run"] else "gone"
        self.stdout.write(
            f"{total.reports:,} reports with {total.columns:,} columns {verb},"
            f" of {len(expired):,} organizations"
        )


def _purge(expired: Expired, *, of: Purged) -> Purged:
    show = progress.bar(sys.stderr, of=f"reports of {expired.organization}")
    gone = Purged(reports=0, columns=0)
    for batch in ingest_expiry.purge(expired.organization_id, before=expired.before):
        gone = _sum(gone, batch)
        show(gone.reports, max(gone.reports, of.reports))
    return gone


def _sum(one: Purged, other: Purged) -> Purged:
    return Purged(reports=one.reports + other.reports, columns=one.columns + other.columns)
