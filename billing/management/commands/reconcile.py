"""Compares every figure of every period, by hand."""

import json
import sys
from contextlib import nullcontext
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from bencher import clock, progress
from bencher.dates import rfc3339
from bencher.tenancy import organizations
from bencher.tenancy.models import Organization
from billing import runs, usage_reconcile
from billing.reconcile import Checked, Tally


class Command(BaseCommand):
    """Compare count, recount, posted value, Stripe's meter, invoice and settlement; and usage."""

    help = (
        "Compare what the ledger counts, what the reports say, what was posted, what Stripe's"
        " meters hold and what was invoiced, as beat does each night; of older plans and of"
        " runners, what was used, what was posted and what the meters hold. Nothing is corrected."
        " Exits 1 if a figure differs or somebody could not be asked."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take an organization and --json."""
        parser.add_argument(
            "organization", nargs="?", help="slug or UUID; all of its periods, however old"
        )
        parser.add_argument("--json", action="store_true", help="print a JSON line per period")

    def handle(self, *args: Any, **options: Any) -> None:
        """Reconcile, with progress on a terminal."""
        organization = None
        if options["organization"]:
            organization = organizations.find(options["organization"])
            if organization is None:
                raise CommandError(f"There is no organization {options['organization']!r}.")
        now = clock.now()
        # A look at one organization is not the night's.
        recorded = runs.recorded("reconcile", now=now) if organization is None else nullcontext()
        tally = Tally()
        with recorded as run:
            self._compare(organization, tally, as_json=options["json"], now=now)
            if run is not None:
                run.result = asdict(tally)
        if not options["json"]:
            self.stdout.write(
                f"{tally.periods} periods compared, {tally.differ} differ,"
                f" {tally.unknown} not fully known"
            )
        if tally.differ or tally.unknown:
            sys.exit(1)

    def _compare(
        self, organization: Organization | None, tally: Tally, *, as_json: bool, now: datetime
    ) -> None:
        show = _as_json if as_json else _as_text
        for one in usage_reconcile.everything(
            now=now, organization=organization, progress=progress.bar(sys.stderr, of="periods")
        ):
            tally.add(one.differences, one.unknown)
            for line in show(one):
                self.stdout.write(line)


def _as_json(checked: Checked | usage_reconcile.Checked) -> list[str]:
    period = checked.period
    return [
        json.dumps(
            {
                "organization": period.organization.slug,
                "meter": checked.meter.value,
                "start_time": rfc3339(period.starts_at),
                "end_time": rfc3339(period.ends_at),
                "figures": checked.shown(),
                "differences": [
                    {"reason": found.reason, "difference": found.sentence}
                    for found in checked.differences
                ],
                "unknown": checked.unknown or None,
            }
        )
    ]


def _as_text(checked: Checked | usage_reconcile.Checked) -> list[str]:
    name = f"{checked.period.organization.slug}, {checked.period}"
    if not isinstance(checked, Checked):
        name = f"{name}, {checked.meter.value}"
    lines = [f"{name}: {found.sentence}" for found in checked.differences]
    if isinstance(checked, Checked) and checked.figures and checked.figures.recount is None:
        lines.append(f"{name}: evidence expired, not recounted")
    if checked.unknown:
        lines.append(f"{name}: unknown, {checked.unknown} could not be asked")
    return lines
