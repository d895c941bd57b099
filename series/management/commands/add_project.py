"""Adds a project with a key."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from bencher import clock
from bencher.tenancy import organizations
from series import projects
from series.models import Visibility


class Command(BaseCommand):
    """Add a project to an organization and print its ids and a key as JSON."""

    help = "Add a project; prints JSON with its ids and a key, which is shown only this once."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the organization, the name and --private."""
        parser.add_argument("organization", help="slug or UUID")
        parser.add_argument("name")
        parser.add_argument("--private", action="store_true", help="billed, seen by members only")

    def handle(self, *args: Any, **options: Any) -> None:
        """Add the project; exit 1 where the organization is unknown or the name taken."""
        organization = organizations.find(options["organization"])
        if organization is None:
            raise CommandError(f"There is no organization {options['organization']!r}.")
        now = clock.now()
        try:
            project = projects.add(
                organization=organization,
                name=options["name"],
                visibility=Visibility.PRIVATE if options["private"] else Visibility.PUBLIC,
                now=now,
                by=None,
            )
        except projects.TakenError as error:
            raise CommandError(str(error)) from error
        shown = {
            "uuid": str(project.uuid),
            "slug": project.slug,
            "visibility": project.visibility,
            "key": projects.add_key(project, name="command line", now=now),
        }
        self.stdout.write(json.dumps(shown, indent=2))
