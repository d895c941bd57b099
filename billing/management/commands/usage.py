"""Prints what an organization uses now."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from bencher import clock
from bencher.tenancy import organizations
from billing import money, usage


class Command(BaseCommand):
    """Print an organization's active series, band and estimate: the figure of page and API."""

    help = "Print what an organization uses in its open period and what it would cost."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the organization and --json."""
        parser.add_argument("organization", help="slug or UUID")
        parser.add_argument("--json", action="store_true", help="print JSON for scripts")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the figures; exit 1 where there is no such organization."""
        organization = organizations.find(options["organization"])
        if organization is None:
            raise CommandError(f"There is no organization {options['organization']!r}.")
        figures = usage.current(organization, now=clock.now())
        shown = {
            "organization": organization.slug,
            "plan": figures.plan.level if figures.plan else None,
            "status": figures.plan.status if figures.plan else None,
            "start_time": figures.starts_at.isoformat(),
            "end_time": figures.ends_at.isoformat(),
            "active_series": figures.count.billed,
            "counted_at": figures.count.counted_at.isoformat(),
            "estimate_cents": figures.estimate_cents,
            "projects": {
                project.slug: {"series": project.series, "billed": project.billed}
                for project in figures.count.projects
            },
        }
        if options["json"]:
            self.stdout.write(json.dumps(shown, indent=2))
            return
        for name, value in shown.items():
            self.stdout.write(f"{name}: {value}")
        if figures.band:
            self.stdout.write(
                f"band: {money.band_range(figures.band)} at {money.band_price(figures.band)}"
            )
