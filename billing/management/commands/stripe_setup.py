"""Makes at Stripe what billing needs, or tells what is missing there."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from bencher import clock
from billing import gateway, pricing, stripe_setup
from billing.stripe_setup import catalog, checking


class Command(BaseCommand):
    """Find or make the meters, products, prices, portal configuration and webhook endpoints."""

    help = (
        "Find or make at Stripe what billing needs: meters, products, prices, the portal's"
        " configuration and both webhook endpoints. May be run any number of times; a second run"
        " changes nothing. Prints what to put in the environment."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        mode = parser.add_mutually_exclusive_group()
        mode.add_argument(
            "--dry-run",
            action="store_true",
            help="list what would be made or changed; write nothing",
        )
        mode.add_argument(
            "--check",
            action="store_true",
            help="tell line by line what is missing or different; exit 1 if anything is. With a"
            " test key at Stripe also ask what an unused period costs, and write that down",
        )
        parser.add_argument(
            "--ladder",
            metavar="FILE",
            type=Path,
            help="the ladder that Pro is sold at: a JSON list of Stripe's tiers, in cents, such as"
            ' {"up_to": 250, "flat_amount": 10000} and {"up_to": "inf", "unit_amount": 40}.'
            " Without it the ladder at Stripe stays, or else the default one is made",
        )

    def handle(self, *, dry_run: bool, check: bool, ladder: Path | None, **_: Any) -> None:
        """Make what is missing, or tell."""
        try:
            tiers = catalog.read_ladder(ladder.read_bytes()) if ladder else None
            if check:
                self._check(tiers)
            else:
                self._set_up(tiers, dry_run=dry_run)
        except OSError as error:
            raise CommandError(f"The ladder can't be read: {error}.") from error
        except gateway.KeyRefusedError as error:
            raise CommandError(
                f"Stripe does not accept the key, or not for this: {error} A restricted key needs"
                " the permissions that docs/stripe.md lists."
            ) from error
        except (
            gateway.GatewayError,
            gateway.NotConfiguredError,
            pricing.LadderError,
            stripe_setup.SetupError,
        ) as error:
            raise CommandError(str(error)) from error

    def _check(self, tiers: catalog.Tiers | None) -> None:
        wrong = 0
        for finding in checking.run(now=clock.now(), tiers=tiers):
            wrong += finding.is_wrong
            detail = f": {finding.detail}" if finding.detail else ""
            self.stdout.write(f"{finding.state:10}  {finding.what}{detail}")
        if wrong:
            raise CommandError(
                f"{wrong} of these must be put right before anything is sold; `manage.py"
                " stripe_setup` makes and changes what it can.",
                returncode=1,
            )

    def _set_up(self, tiers: catalog.Tiers | None, *, dry_run: bool) -> None:
        steps = []
        for step in stripe_setup.run(dry_run=dry_run, tiers=tiers):
            steps.append(step)
            verb = f"would be {step.outcome}" if dry_run and step.changes else str(step.outcome)
            note = f" ({step.note})" if step.note else ""
            self.stdout.write(f"{verb} {step.what} {step.id}{note}")
        if dry_run:
            return
        self.stdout.write("\nPut this in the environment:")
        for step in steps:
            if step.setting:
                self.stdout.write(f"{step.setting}={step.value or step.id}")
