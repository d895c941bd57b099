"""Undo the deletion of a project."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from bencher import clock
from bencher.tenancy import slugs
from bencher.tenancy.models import User
from series import projects
from series.models import Project


class Command(BaseCommand):
    """Restores a project: it is seen again, and its series count again."""

    help = "Undo the deletion of a project; its series count again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the project and who restores it."""
        parser.add_argument("project", help="UUID; slugs of deleted projects may be in use again")
        parser.add_argument("--by", required=True, help="e-mail address of the staff who does it")

    def handle(self, *args: Any, **options: Any) -> None:
        """Restore; exit 1 where there is nothing to restore or its name is taken."""
        by = User.objects.filter(email=options["by"].lower(), is_staff=True).first()
        if by is None:
            raise CommandError(f"{options['by']!r} is nobody of the staff.")
        deleted = Project.objects.exclude(deleted_at=None)
        uuid = slugs.uuid_of(options["project"])
        project = deleted.filter(uuid=uuid).first() if uuid else None
        if project is None:
            raise CommandError(f"No deleted project has the UUID {options['project']!r}.")
        try:
            projects.restore(project, now=clock.now(), by=by)
        except projects.TakenError as error:
            raise CommandError(f"{error} Rename that one first.") from error
        project.refresh_from_db()
        self.stdout.write(f"restored {project.slug} of {project.organization.slug}")
