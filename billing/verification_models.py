"""How far an ended period is proven at Stripe before its invoice is final."""

from django.db import models


class Verification(models.Model):
    """One ended period on its way to its invoice: what was seen at Stripe, and what was done.

    Stripe's own objects are the truth of it (the moved instant stands in the draft's metadata);
    this row is for the timer, for the people who watch, and for the record.
    """

    period = models.OneToOneField(
        "billing.BillingPeriod",
        on_delete=models.PROTECT,
        primary_key=True,
        related_name="verification",
    )
    held = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="What Stripe's meter held when it was last asked."
    )
    checked_at = models.DateTimeField()
    next_check_at = models.DateTimeField()
    verified_at = models.DateTimeField(
        null=True, blank=True, help_text="Since when Stripe's meter is known to hold the statement."
    )
    resends = models.PositiveIntegerField(
        default=0, help_text="How often the closing event had to be sent again."
    )
    stripe_invoice_id = models.CharField(max_length=64, blank=True)
    finalizes_at = models.DateTimeField(
        null=True, blank=True, help_text="When Stripe will finalize the draft, as last seen."
    )
    postponed_at = models.DateTimeField(null=True, blank=True)
    released_at = models.DateTimeField(null=True, blank=True)
    noted_at = models.DateTimeField(
        null=True, blank=True, help_text="When the evidence's hash was written into the draft."
    )
    passed_unverified_at = models.DateTimeField(
        null=True, blank=True, help_text="The invoice became final before it was verified."
    )
    done_at = models.DateTimeField(null=True, blank=True)
    failure = models.TextField(blank=True, help_text="Why Stripe could not be asked or did not.")

    class Meta:
        indexes = [
            models.Index(
                fields=["next_check_at"],
                condition=models.Q(done_at=None),
                name="verifications_to_go_on_with",
            ),
            models.Index(
                fields=["stripe_invoice_id"],
                opclasses=["varchar_pattern_ops"],
                name="verifications_by_invoice",
            ),
        ]

    def __str__(self) -> str:
        return "verified" if self.verified_at else "not verified"
