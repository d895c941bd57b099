"""Blanks everything that names an organization or a person."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from bencher import clock
from bencher.tenancy import erasing
from bencher.tenancy.erasing import Subject
from bencher.tenancy.models import Organization
from billing.models import BillingCustomer


class Command(BaseCommand):
    """Erase an organization or a user; counts, bills and hashes stay."""

    help = (
        "Blank everything that names an organization or a user, for good: names, addresses,"
        " slugs, keys, sessions, statement lines, what is mirrored of Stripe. What was counted and"
        " billed stays, and closed bills and their hashes still verify. An organization is"
        " deleted with its projects. May be stopped and repeated, by the UUID it prints."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take who it is and --dry-run."""
        parser.add_argument(
            "subject",
            metavar="ORGANIZATION|USER",
            help="slug or UUID of an organization or a user, or a user's e-mail address",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="print what would be erased, and erase nothing"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Erase, and print how many rows of what."""
        subject = _find(options["subject"])
        kind = subject._meta.verbose_name
        dry_run = options["dry_run"]
        self.stdout.write(f"{kind} {subject.uuid}")
        try:
            erasing.check(subject)
            found = erasing.preview(subject) if dry_run else erasing.erase(subject, now=clock.now())
            rows = 0
            for what, number in found:
                rows += number
                if number:
                    self.stdout.write(f"{number:,} {what}")
        except erasing.RefusedError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{rows:,} rows {'would be erased' if dry_run else 'erased'}")
        for line in _elsewhere(subject):
            self.stdout.write(line)


def _find(identifier: str) -> Subject:
    found = erasing.find(identifier)
    if not found:
        raise CommandError(f"There is neither an organization nor a user {identifier!r}.")
    if len(found) > 1:
        meant = ", ".join(f"{one._meta.verbose_name} {one.uuid}" for one in found)
        raise CommandError(f"{identifier!r} may be any of these; give the UUID: {meant}.")
    return found[0]


def _elsewhere(subject: Subject) -> list[str]:
    """Return what is left to do by hand."""
    if isinstance(subject, Organization):
        customers = BillingCustomer.objects.filter(organization=subject)
        return [
            f"Stripe still holds customer {customer.stripe_customer_id}: redact it there."
            for customer in customers
        ]
    return ["Stripe and the mail server may still hold the address; look there."]
