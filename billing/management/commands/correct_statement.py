"""Corrects a closed statement: one member of staff proposes, another applies."""

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from bencher import clock
from bencher.tenancy.models import User
from billing import correcting, gateway, money
from billing.models import Correction, Statement

_PERMISSIONS = {
    "propose": "billing.correct_statement",
    "apply": "billing.decide_correction",
    "decline": "billing.decide_correction",
}


class Command(BaseCommand):
    """Propose, apply or decline a correction."""

    help = (
        "Correct a closed statement. `propose` stores what it should have said and why; a second"
        " member of staff applies or declines it. Downwards, the difference is given back by a"
        " credit note on the invoice; upwards it is recorded and nobody is charged."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take what to do, to what, and by whom."""
        steps = parser.add_subparsers(dest="step", required=True, metavar="propose|apply|decline")
        propose = steps.add_parser("propose", help="store a correction to be decided")
        propose.add_argument("statement", type=UUID, help="UUID of the statement")
        propose.add_argument("--series", type=int, required=True, help="the right count")
        propose.add_argument("--why", required=True, help="the reason, which the customer sees")
        for name, what in (("apply", "give back the difference"), ("decline", "do nothing")):
            step = steps.add_parser(name, help=f"decide a correction: {what}")
            step.add_argument("correction", type=UUID, help="UUID of the correction")
        for step in steps.choices.values():
            step.add_argument("--by", required=True, metavar="EMAIL", help="who does it, of staff")
            step.add_argument("--dry-run", action="store_true", help="say what would be done")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do one step."""
        by = User.objects.filter(email=options["by"].lower(), is_staff=True, is_active=True).first()
        if by is None:
            raise CommandError(f"{options['by']} is not the e-mail address of a member of staff.")
        if not by.has_perm(_PERMISSIONS[options["step"]]):
            raise CommandError(
                f"{by.email} may not {options['step']} corrections: the group billing may."
            )
        try:
            step = self._propose if options["step"] == "propose" else self._decide
            step(by, options)
        except (correcting.CorrectionError, gateway.GatewayError) as error:
            raise CommandError(str(error)) from error

    def _propose(self, by: User, options: dict[str, Any]) -> None:
        if options["series"] < 0:
            raise CommandError("--series is a count, 0 or more.")
        statement = Statement.objects.filter(uuid=options["statement"]).first()
        if statement is None:
            raise CommandError(f"There is no statement {options['statement']}.")
        found = correcting.effect(statement, series=options["series"])
        self.stdout.write(
            f"{statement.organization.slug}, {statement}: {found.before_series:,} series,"
            f" {money.written(found.before_cents)} -> {found.series:,} series,"
            f" {money.written(found.amount_cents)}; given back:"
            f" {money.written(found.credit_cents)}"
        )
        if options["dry_run"]:
            return
        correction = correcting.propose(
            statement, series=options["series"], why=options["why"], by=by, now=clock.now()
        )
        self.stdout.write(f"proposed: {correction.uuid}")

    def _decide(self, by: User, options: dict[str, Any]) -> None:
        correction = Correction.objects.filter(uuid=options["correction"]).first()
        if correction is None:
            raise CommandError(f"There is no correction {options['correction']}.")
        if options["dry_run"]:
            given = correction.credit_cents if options["step"] == "apply" else 0
            self.stdout.write(f"{correction}; would give back {money.written(given)}")
            return
        step = correcting.apply if options["step"] == "apply" else correcting.decline
        decision = step(correction, by=by, now=clock.now())
        note = decision.stripe_credit_note_id
        self.stdout.write(f"{decision}{f', credit note {note}' if note else ''}")
