"""What is billed by adding up: whose reports, and when; and the minutes of bare-metal runners."""

from uuid import uuid4

from django.db import models
from django.db.models import F, Q

from bencher import dates
from bencher.tenancy.models import Organization
from billing import overlapping


class MetricsPeriod(models.Model):
    """A period of an older plan, as Stripe gave it: reports received in it are billed by metrics.

    Half-open, like all periods. What was received before `metered_from` is not ours to bill.
    """

    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="metrics_periods", db_index=False
    )
    plan = models.ForeignKey(
        "billing.Plan", on_delete=models.PROTECT, related_name="metrics_periods"
    )
    stripe_subscription_id = models.CharField(max_length=64)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    metered_from = models.DateTimeField(
        help_text="Its start; later where the subscription was billed by another system before."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["stripe_subscription_id", "starts_at"],
                name="one_metrics_period_per_subscription_and_start",
            ),
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("starts_at")),
                name="metrics_period_ends_after_it_starts",
            ),
            models.CheckConstraint(
                condition=Q(metered_from__gte=F("starts_at")),
                name="metrics_period_is_metered_from_its_start",
            ),
            overlapping.refused("metrics_periods_of_an_organization_do_not_overlap"),
        ]
        indexes = [
            models.Index(fields=["organization", "ends_at"], name="metrics_periods_by_end"),
        ]

    def __str__(self) -> str:
        return dates.days(self.starts_at, self.ends_at)


class RunnerMinutes(models.Model):
    """What a bare-metal runner worked for an organization, as told in one call. Never changed."""

    uuid = models.UUIDField(default=uuid4, unique=True, editable=False)
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="runner_minutes", db_index=False
    )
    runner = models.CharField(max_length=64)
    minutes = models.PositiveIntegerField()
    start_time = models.DateTimeField(help_text="As sent.")
    end_time = models.DateTimeField(null=True, blank=True, help_text="As sent.")
    idempotency_key = models.CharField(max_length=255)
    received_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "runner minutes"
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "idempotency_key"],
                name="one_call_about_minutes_per_idempotency_key",
            ),
            models.CheckConstraint(condition=Q(minutes__gte=1), name="minutes_are_some"),
        ]
        indexes = [
            models.Index(fields=["organization", "received_at"], name="runner_minutes_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.minutes} minutes of {self.runner}"
