"""What the site itself stores."""

from django.db import models


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
