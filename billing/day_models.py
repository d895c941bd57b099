"""On which days the series of a running period reported first, as counted in the night."""

from django.db import models


class FirstReports(models.Model):
    """How many series of each project reported on each day for the first time in a period.

    One row per period, replaced whole, so that readers never see half of it. Nothing is billed by
    it: it draws the chart, and a closed period's statement has its own lines.
    """

    period = models.OneToOneField(
        "billing.BillingPeriod",
        on_delete=models.PROTECT,
        primary_key=True,
        related_name="first_reports",
    )
    counted_at = models.DateTimeField(help_text="Days that ended by then are complete.")
    days = models.JSONField(
        help_text="Lists of a UTC day, a project's id and its number of series."
    )

    class Meta:
        verbose_name_plural = "first reports"

    def __str__(self) -> str:
        return f"first reports of period {self.period_id}"
