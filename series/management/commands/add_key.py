"""Adds a key to a project."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from bencher import clock
from series import projects


class Command(BaseCommand):
    """Mint another key for a project and print it as JSON."""

    help = "Add a key to a project; prints JSON with the key, which is shown only this once."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the project and --name."""
        parser.add_argument("project", help="slug or UUID")
        parser.add_argument("--name", default="command line", help="to recognize the key by")

    def handle(self, *args: Any, **options: Any) -> None:
        """Add the key; exit 1 where there is no such project."""
        project = projects.find(options["project"])
        if project is None:
            raise CommandError(f"There is no project {options['project']!r}.")
        key = projects.add_key(project, name=options["name"], now=clock.now())
        self.stdout.write(json.dumps({"project": project.slug, "key": key}, indent=2))
