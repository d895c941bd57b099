"""Moves the sandbox through time."""

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from bencher import clock, time_travel


class Command(BaseCommand):
    """Move the Stripe sandbox and our clock forward, doing what beat would have done."""

    help = (
        "sandbox advance --to TIME moves the Stripe sandbox's clock and ours forward to TIME,"
        " through every instant that matters, with the workers doing what beat would have enqueued."
        " Refused unless STRIPE_API_BASE names the sandbox."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the verb and --to."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        advance = verbs.add_parser("advance", help="move both clocks forward")
        advance.add_argument(
            "--to", required=True, metavar="TIME", help="such as 2027-01-31 or 2027-01-31T12:00:00Z"
        )
        verbs.add_parser("now", help="print the time in the sandbox")

    def handle(self, *args: Any, **options: Any) -> None:
        """Advance, printing each step."""
        if options["verb"] == "now":
            self.stdout.write(f"{clock.now():%FT%TZ}")
            return
        try:
            to = datetime.fromisoformat(options["to"])
        except ValueError as error:
            raise CommandError(f"--to {options['to']!r} is no time: {error}") from error
        to = to.replace(tzinfo=UTC) if to.tzinfo is None else to
        try:
            steps = time_travel.advance(to=to, say=self._say)
        except time_travel.TravelError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"It is {clock.now():%FT%TZ} in the sandbox, after {steps} steps.")

    def _say(self, line: str) -> None:
        self.stdout.write(line)
