"""Lists `embedded` among Django's commands; manage.py itself runs it, before settings load."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from bencher.embedded import command


class Command(BaseCommand):
    """Run a command with PostgreSQL and Redis at hand."""

    help = command.DESCRIPTION
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the same arguments as manage.py's way in."""
        command.add_arguments(parser)
        parser.add_argument("command", nargs="+", metavar="COMMAND", help="what to run, after --")

    def handle(self, **options: Any) -> None:
        """Run it where Django was faster, as with django-admin."""
        code = command.run(options["command"], fsync=not options["no_fsync"])
        if code != 0:
            raise CommandError(f"The command ended with {code}.", returncode=code)
