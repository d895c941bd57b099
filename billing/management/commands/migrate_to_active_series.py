"""Moves legacy Pro subscriptions to active series when their period ends."""

from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from bencher import clock
from bencher.tenancy import organizations
from bencher.tenancy.models import Organization
from billing import (
    adopting,
    checkouts,
    gateway,
    migrating,
    money,
    plans,
    pricing,
    resubscribing,
)
from billing.migrating import Case, Fate, Migration

# What concerns one organization and does not keep the others from being moved.
_FAILURES = (
    gateway.GatewayError,
    pricing.LadderError,
    plans.ForeignSubscriptionError,
    plans.SecondSubscriptionError,
    adopting.NotCompletedError,
    checkouts.ForeignCheckoutError,
    resubscribing.AlreadySubscribedError,
    resubscribing.UnknownError,
)


class Command(BaseCommand):
    """Print both bills of every legacy Pro plan, and let each become Pro at its period's end."""

    help = (
        "Move legacy Pro subscriptions (those with a flat fee of LEGACY_PRO_PRODUCT) to active"
        " series when their period ends. Prints first what each is billed now and what it would"
        " be. May be run any number of times; a second run changes nothing. Team and Enterprise"
        " plans are left alone."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take an organization, and whether to do anything."""
        parser.add_argument("--organization", metavar="ORG", help="only this one: its slug or UUID")
        parser.add_argument(
            "--dry-run", action="store_true", help="say what would be done; write nothing"
        )

    def handle(self, *, organization: str | None, dry_run: bool, **_: Any) -> None:
        """Print the bills, then move; exit 1 where something failed."""
        only = self._find(organization) if organization else None
        try:
            migration = Migration(now=clock.now())
            cases = list(migration.survey(only=only))
        except (gateway.GatewayError, gateway.NotConfiguredError, pricing.LadderError) as error:
            raise CommandError(f"{error} Nothing was changed.") from error
        self._print_bills(cases)
        failed = [case for case in cases if not self._settle(migration, case, dry_run=dry_run)]
        if failed:
            names = ", ".join(case.name for case in failed)
            raise CommandError(f"Not done: {names}. Run this again to go on.", returncode=1)

    def _find(self, name: str) -> Organization:
        found = organizations.find(name)
        if found is None:
            raise CommandError(f"There is no organization {name!r}.")
        return found

    def _print_bills(self, cases: Sequence[Case]) -> None:
        rows = [(case.name, case.bills) for case in cases if case.bills]
        if not rows:
            self.stdout.write("No legacy Pro subscription is to be moved.")
            return
        self.stdout.write("The current period by both prices, as of now:\n\n")
        self._row("organization", "legacy", "series", "Pro")
        for name, bills in rows:
            self._bill(name, bills)
        self._bill("total", _total([bills for _, bills in rows]))
        self.stdout.write("")

    def _bill(self, name: str, bills: migrating.Bills) -> None:
        legacy, pro = money.written(bills.legacy_cents), money.written(bills.pro_cents)
        self._row(name, legacy, f"{bills.series:,}", pro)

    def _row(self, name: str, legacy: str, series: str, pro: str) -> None:
        self.stdout.write(f"{name:32}  {legacy:>12}  {series:>10}  {pro:>12}")

    def _settle(self, migration: Migration, case: Case, *, dry_run: bool) -> bool:
        """Do what is to be done about a case, and tell; returns whether it worked."""
        why = f": {case.why}" if case.why else f" to Pro at {case.ends_at:%Y-%m-%d %H:%M} UTC"
        self.stdout.write(f"{case.name} {case.fate}{why}")
        try:
            done = []
            for step in migration.steps(case):
                if not dry_run:
                    step.take()
                done.append(step.what)
                self.stdout.write(f"  {'would ' if dry_run else ''}{step.what}")
            if case.fate is not Fate.LEFT and not done:
                self.stdout.write("  nothing is left to do")
        except _FAILURES as error:
            self.stdout.write(f"  failed: {error}")
            return False
        return True


def _total(bills: Sequence[migrating.Bills]) -> migrating.Bills:
    return migrating.Bills(
        legacy_cents=sum(each.legacy_cents for each in bills),
        series=sum(each.series for each in bills),
        pro_cents=sum(each.pro_cents for each in bills),
    )
