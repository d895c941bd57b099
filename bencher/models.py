"""What the site itself stores."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now


class ClockOffset(models.Model):
    """How far the sandbox's clock is ahead of the real one: one row, or none."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    ahead = models.DurationField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(id=1), name="clock_offset_is_one_row"),
        ]

    def __str__(self) -> str:
        return f"{self.ahead} ahead"


class Change(models.Model):
    """One change of an audited row. Triggers write it, and refuse every change of it but one.

    Only `why`, which may name somebody, can be blanked, and that leaves a change of its own.
    """

    class Kind(models.TextChoices):
        """What was done to the row."""

        INSERT = "insert", "made"
        UPDATE = "update", "changed"
        DELETE = "delete", "deleted"

    at = models.DateTimeField(db_default=Now(), db_index=True, help_text="By the real clock.")
    relation = models.CharField(max_length=63, help_text="The table.")
    row = models.CharField(max_length=64, help_text="The row's primary key.")
    kind = models.CharField(max_length=6, choices=Kind)
    before = models.JSONField(null=True, help_text="What was changed, as it was.")
    after = models.JSONField(null=True, help_text="What was changed, as it became.")
    # Without constraints: the audit stays whatever becomes of them.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        null=True,
        related_name="+",
        help_text="Who was signed in, or whose key it was.",
    )
    organization = models.ForeignKey(
        "tenancy.Organization",
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        # Part of the index below.
        db_index=False,
        null=True,
        related_name="+",
        help_text="Whose the row is, or whom it was about.",
    )
    program = models.CharField(max_length=100, help_text="The verb, task or command.")
    request = models.CharField(max_length=36, help_text="The request's id, as in the logs.")
    why = models.TextField(help_text="What was said to be the reason.")
    role = models.CharField(max_length=63, help_text="The database's role.")

    class Meta:
        indexes = [
            models.Index(fields=["relation", "row", "-id"], name="changes_of_a_row"),
            models.Index(
                F("organization"),
                F("at").desc(),
                F("id").desc(),
                name="changes_of_an_organization",
                condition=Q(organization__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.relation} {self.row} {self.get_kind_display()}"
