"""Prepares a local run: Stripe's sandbox, a demo organization, and how to sign in."""

import os
import secrets
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from bencher import clock, local_code, time_travel
from bencher.local_code import STAFF
from bencher.tenancy import organizations
from bencher.tenancy.models import Organization, User
from billing import stripe_setup, subscribing
from series import projects
from series.models import Project, Visibility

LEADER = "alice@example.com"
_START_SECONDS = 30


class Command(BaseCommand):
    """Make the sandbox ready to sell and add a demo organization, once."""

    help = (
        "Wait for the Stripe sandbox, make in it what Pro needs, add a demo organization with a"
        " private project if there is none, and print how to sign in. For `make run` only:"
        " refused unless STRIPE_API_BASE names the sandbox."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Prepare, then print the addresses and sign-in details."""
        if not settings.STRIPE_IS_SANDBOX:
            raise CommandError("This is for a local run against the Stripe sandbox only.")
        self._wait_for_sandbox()
        for _ in stripe_setup.run():
            pass
        now = clock.now()
        password = self._password()
        leader = self._user(LEADER, password=password, now=now, is_staff=False)
        local_code.enroll(self._user(STAFF, password=password, now=now, is_staff=True))
        project = self._organization(leader, now=now)
        self._print(project, password=password, now=now)

    def _wait_for_sandbox(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                time_travel.follow()
            except time_travel.TravelError as error:
                if time.monotonic() > deadline:
                    raise CommandError(str(error)) from error
                time.sleep(0.1)
            else:
                return

    def _password(self) -> str:
        """Return the local run's password: random, and the same each time."""
        path = Path(os.environ.get("BENCHER_DATA_DIR", settings.BASE_DIR / ".data")) / "password"
        if not path.exists():
            # Written beside it and renamed: a half-written password would be an empty one.
            fresh = path.with_suffix(".new")
            fresh.touch(mode=0o600)
            fresh.write_text(secrets.token_urlsafe(12))
            fresh.rename(path)
        return path.read_text()

    def _user(self, email: str, *, password: str, now: datetime, is_staff: bool) -> User:
        user = User.objects.filter(email=email).first()
        name = email.partition("@")[0].title()
        if user is None:
            return User.objects.create_user(
                email,
                name=name,
                password=password,
                now=now,
                address_is_verified=True,
                is_staff=is_staff,
                is_superuser=is_staff,
            )
        user.set_password(password)
        user.save(update_fields=["password"])
        return user

    def _organization(self, leader: User, *, now: datetime) -> Project:
        known = Project.objects.filter(organization__memberships__user=leader).first()
        if known is not None:
            return known
        organization = Organization.objects.filter(memberships__user=leader).first()
        if organization is None:
            organization = organizations.found(name="Demo", leader=leader, now=now)
        subscribing.subscribe(organization, leader=leader, now=now)
        return projects.add(
            organization=organization,
            name="Engine",
            visibility=Visibility.PRIVATE,
            now=now,
            by=leader,
        )

    def _print(self, project: Project, *, password: str, now: datetime) -> None:
        key = projects.add_key(project, name=f"local run {now:%F %T}", now=now)
        url = settings.BASE_URL
        self.stdout.write(
            f"""
Ready at {url} (sandbox payments; Ctrl-C stops everything)

  leader   {LEADER}  password {password}
  staff    {STAFF}  password {password}  at {url}/admin/
           then a code, which `make staff-code` prints in another terminal
  billing  {url}/organizations/{project.organization.slug}/billing/

Mails, such as those with links to new passwords, are printed here too.

Post a report to the private project {project.slug}:

  curl {url}/v0/projects/{project.slug}/reports \\
    -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' -d '{{
    "branch": "main", "testbed": "localhost",
    "start_time": "{now:%FT%TZ}", "end_time": "{now:%FT%TZ}",
    "results": ["{{\\"my benchmark\\": {{\\"latency\\": {{\\"value\\": 88.0}}}}}}"],
    "settings": {{"adapter": "json"}}}}'

Move time, in another terminal:  make advance TO={now + timedelta(days=40):%F}
"""
        )
