"""Founds an organization."""

import json
import secrets
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from bencher import clock
from bencher.tenancy import keys, organizations
from bencher.tenancy.models import Organization, User
from billing import gateway, subscribing


class Command(BaseCommand):
    """Found an organization with its leader and print ids and a key as JSON."""

    help = (
        "Found an organization; prints JSON with its ids and a user key of its leader, shown only"
        " this once. An unknown leader gets an account and a password, printed too."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the name, --leader and --plan."""
        parser.add_argument("name")
        parser.add_argument("--leader", required=True, metavar="EMAIL")
        parser.add_argument(
            "--plan", choices=["pro"], help="subscribe it at Stripe, with the trial if one is due"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Found the organization and, with --plan, subscribe it."""
        now = clock.now()
        email = options["leader"].lower()
        if "@" not in email:
            raise CommandError(f"{options['leader']!r} is no e-mail address.")
        leader, password = User.objects.filter(email=email).first(), None
        if leader is None:
            password = secrets.token_urlsafe(12)
            name = email.partition("@")[0].title()
            leader = User.objects.create_user(
                email, name=name, password=password, now=now, address_is_verified=True
            )
        organization = organizations.found(name=options["name"], leader=leader, now=now)
        shown: dict[str, Any] = {
            "uuid": str(organization.uuid),
            "slug": organization.slug,
            "leader": leader.email,
            "key": keys.add_user_key(leader, name="command line", now=now),
        }
        if password:
            shown["password"] = password
        if options["plan"]:
            shown["plan"] = self._subscribe(organization, leader)
        self.stdout.write(json.dumps(shown, indent=2))

    def _subscribe(self, organization: Organization, leader: User) -> dict[str, str]:
        try:
            plan = subscribing.subscribe(organization, leader=leader, now=clock.now())
        except (gateway.GatewayError, gateway.NotConfiguredError) as error:
            raise CommandError(
                f"{organization.slug} was founded, but not subscribed: {error}"
            ) from error
        return {"level": plan.level, "status": plan.status}
