"""What Stripe could not use of what it had accepted: its error reports about meters."""

from django.db import models

from bencher.tenancy.models import Organization


class MeterErrorReport(models.Model):
    """One thin event about a meter: noted when it arrives, its details read afterwards."""

    event_id = models.CharField(max_length=64, unique=True)
    type = models.CharField(max_length=64)
    received_at = models.DateTimeField()
    handled_at = models.DateTimeField(null=True, blank=True)
    meter_id = models.CharField(max_length=64, blank=True, help_text="Empty: there is no meter.")
    summary = models.TextField(blank=True, help_text="In Stripe's words.")
    starts_at = models.DateTimeField(null=True, blank=True)
    ends_at = models.DateTimeField(null=True, blank=True)
    errors = models.PositiveIntegerField(default=0, help_text="How many events were not used.")
    failure = models.TextField(blank=True, help_text="Why the details could not be read.")

    class Meta:
        indexes = [
            models.Index(
                fields=["received_at"],
                condition=models.Q(handled_at=None),
                name="meter_errors_to_handle",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.errors} events not used" if self.handled_at else self.event_id


class MeterErrorSample(models.Model):
    """One event that Stripe names in a report, linked to ours where it is one of ours.

    Reports name samples only, so what is missing is found by comparing summaries.
    """

    report = models.ForeignKey(MeterErrorReport, on_delete=models.CASCADE, related_name="samples")
    code = models.CharField(max_length=64)
    message = models.TextField()
    identifier = models.CharField(max_length=100, blank=True)
    event = models.ForeignKey(
        "billing.MeterEvent", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    def __str__(self) -> str:
        return self.code
