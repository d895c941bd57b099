"""Settle meter events of which nobody knows whether Stripe has them."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from bencher import clock
from billing import gateway, undecided
from billing.undecided import Verdict


class Command(BaseCommand):
    """Compares undecided events with Stripe's meter, as beat does each hour."""

    help = (
        "Compare each undecided meter event with what Stripe's meter holds in its minute, and mark"
        " as sent what is there. What is missing is sent again only with --resend. Exits with 1"
        " while any event still needs a person."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add --dry-run and --resend."""
        parser.add_argument(
            "--dry-run", action="store_true", help="Say what is found, change nothing."
        )
        parser.add_argument(
            "--resend", action="store_true", help="Also send again what Stripe was shown to lack."
        )

    def handle(self, *_: Any, dry_run: bool, resend: bool, **__: Any) -> None:
        """Settle and print each finding."""
        try:
            findings = undecided.settle(now=clock.now(), dry_run=dry_run)
        except (gateway.GatewayError, gateway.NotConfiguredError) as error:
            raise CommandError(
                f"Stripe can't be asked, nothing more was settled: {error}"
            ) from error
        for finding in findings:
            self.stdout.write(
                f"{finding.event.organization.slug} {finding.event.identifier}: {finding.sentence}"
            )
            if resend and not dry_run and finding.verdict is Verdict.MISSING:
                undecided.resend(finding.event, by="command", reason="settle_undecided --resend")
                self.stdout.write("  It will be sent again.")
        left = len(undecided.waiting())
        if left:
            raise CommandError(f"{left} undecided events still need a person.", returncode=1)
        self.stdout.write("Nothing is undecided.")
