"""Prints what the authenticator app of a local run's staff would show."""

from typing import Any

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from bencher import local_code
from bencher.tenancy.models import User


class Command(BaseCommand):
    """Print the code that is asked for after the password of staff@example.com."""

    help = (
        "Print the six digits that are asked for after the password of staff@example.com. They"
        " change every half minute, and each works once. For a local run only: refused unless"
        " STRIPE_API_BASE names the sandbox."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the code."""
        if not settings.STRIPE_IS_SANDBOX:
            raise CommandError("This is for a local run against the Stripe sandbox only.")
        try:
            self.stdout.write(local_code.code_of(User.objects.get(email=local_code.STAFF)))
        except (User.DoesNotExist, Authenticator.DoesNotExist) as error:
            raise CommandError(
                f"{local_code.STAFF} has no authenticator app here. Begin with `make run`."
            ) from error
