"""Corrections of closed statements: rows beside them that say who, why, and what came of it.

Both tables are written once; triggers refuse every change.
"""

from django.conf import settings
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import Q


class Correction(models.Model):
    """What a statement should have said, by a member of staff. The statement itself stays."""

    uuid = models.UUIDField(db_default=RandomUUID(), unique=True, editable=False)
    statement = models.ForeignKey(
        "billing.Statement", on_delete=models.PROTECT, related_name="corrections"
    )
    series = models.PositiveIntegerField(help_text="What should have been billed.")
    amount_cents = models.PositiveBigIntegerField(
        help_text="What that costs by the price in force."
    )
    # Of the statement, or of the correction that was applied before.
    before_series = models.PositiveIntegerField()
    before_cents = models.PositiveBigIntegerField()
    why = models.TextField()
    proposed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    proposed_at = models.DateTimeField()

    class Meta:
        permissions = [("decide_correction", "Can apply or decline a correction")]
        constraints = [
            models.CheckConstraint(condition=~Q(why=""), name="correction_has_a_reason"),
            models.CheckConstraint(
                condition=~Q(series=models.F("before_series")), name="correction_corrects"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.before_series:,} to {self.series:,} series"

    @property
    def credit_cents(self) -> int:
        """Return what is given back: the difference downwards; nothing is ever charged."""
        return max(0, self.before_cents - self.amount_cents)


class CorrectionDecision(models.Model):
    """A second person's answer to a correction."""

    correction = models.OneToOneField(
        Correction, on_delete=models.PROTECT, primary_key=True, related_name="decision"
    )
    applied = models.BooleanField(help_text="Otherwise it was declined.")
    stripe_credit_note_id = models.CharField(
        max_length=64, blank=True, help_text="Empty where nothing was given back."
    )
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    decided_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(applied=True) | Q(stripe_credit_note_id=""),
                name="declined_corrections_give_nothing_back",
            ),
        ]

    def __str__(self) -> str:
        return "applied" if self.applied else "declined"
