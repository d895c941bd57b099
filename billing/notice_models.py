"""Budgets that leaders set, and the notices that were sent: one per event and period."""

from uuid import uuid4

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from bencher.tenancy.models import Organization
from billing import money

# In percent of the limit.
THRESHOLDS = (50, 75, 90, 100)


def every_threshold() -> list[int]:
    """Return all thresholds, which a new budget has."""
    return list(THRESHOLDS)


class Budget(models.Model):
    """What an organization means to stay below in a period. Nothing is cut off when it does not."""

    class Unit(models.TextChoices):
        """What is limited."""

        SERIES = "series", "active series"
        AMOUNT = "amount", "amount of the bill"

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="budgets")
    unit = models.CharField(max_length=6, choices=Unit)
    limit = models.PositiveBigIntegerField(help_text="Series, or cents.")
    thresholds = ArrayField(
        models.PositiveSmallIntegerField(),
        default=every_threshold,
        help_text="At how many percent of the limit leaders are told.",
    )
    set_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    set_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "unit"], name="one_budget_per_organization_and_unit"
            ),
            models.CheckConstraint(
                condition=Q(unit__in=["series", "amount"]), name="budget_unit_is_known"
            ),
            models.CheckConstraint(condition=Q(limit__gte=1), name="budget_limit_is_positive"),
            models.CheckConstraint(
                condition=Q(thresholds__contained_by=[50, 75, 90, 100], thresholds__len__gte=1),
                name="budget_thresholds_are_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.written_limit()} ({self.get_unit_display()})"

    def written_limit(self) -> str:
        """Return the limit as people write it: 1,000, or $100.00."""
        is_money = self.unit == self.Unit.AMOUNT
        return money.written(self.limit) if is_money else f"{self.limit:,}"


class Notice(models.Model):
    """Something that an organization's leaders are told by e-mail, once.

    Stored when it happens and sent afterwards, with the figures as they were then.
    """

    class Kind(models.TextChoices):
        """What happened."""

        TRIAL_ENDING = "trial-ending", "the trial ends soon"
        TIER_CROSSED = "tier-crossed", "a higher band was reached"
        BUDGET_REACHED = "budget-reached", "a part of a budget was reached"
        PAYMENT_FAILED = "payment-failed", "a payment failed"
        STATEMENT_READY = "statement-ready", "a period was closed"

    uuid = models.UUIDField(default=uuid4, unique=True, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="notices")
    period = models.ForeignKey(
        "billing.BillingPeriod",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="notices",
        db_index=False,
        help_text="Empty where the plan has no periods of ours.",
    )
    kind = models.CharField(max_length=15, choices=Kind)
    about = models.CharField(
        max_length=100, help_text="Which of several events of this kind: a band, a threshold, …"
    )
    figures = models.JSONField(default=dict, blank=True, help_text="What the e-mail says.")
    noticed_at = models.DateTimeField()
    recipients = ArrayField(
        models.UUIDField(), default=list, blank=True, help_text="The UUIDs of the users written to."
    )
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True, blank=True, help_text="On the real clock.")
    sent_at = models.DateTimeField(null=True, blank=True)
    given_up_at = models.DateTimeField(null=True, blank=True)
    failure = models.TextField(blank=True, help_text="Why the last attempt did not succeed.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "kind", "about", "period"],
                nulls_distinct=False,
                name="one_notice_per_event_and_period",
            ),
            models.CheckConstraint(
                condition=Q(
                    kind__in=[
                        "trial-ending",
                        "tier-crossed",
                        "budget-reached",
                        "payment-failed",
                        "statement-ready",
                    ]
                ),
                name="notice_kind_is_known",
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                condition=Q(sent_at=None, given_up_at=None),
                name="notices_to_send",
            ),
            models.Index(fields=["period", "kind"], name="notices_by_period"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} ({self.about})"
