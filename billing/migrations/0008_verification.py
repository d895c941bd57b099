"""What was seen at Stripe of an ended period, before its invoice is final. Before deploy."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0007_notices"),
    ]

    operations = [
        migrations.CreateModel(
            name="Verification",
            fields=[
                (
                    "period",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="verification",
                        serialize=False,
                        to="billing.billingperiod",
                    ),
                ),
                (
                    "held",
                    models.PositiveBigIntegerField(
                        blank=True,
                        help_text="What Stripe's meter held when it was last asked.",
                        null=True,
                    ),
                ),
                ("checked_at", models.DateTimeField()),
                ("next_check_at", models.DateTimeField()),
                (
                    "verified_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="Since when Stripe's meter is known to hold the statement.",
                        null=True,
                    ),
                ),
                (
                    "resends",
                    models.PositiveIntegerField(
                        default=0, help_text="How often the closing event had to be sent again."
                    ),
                ),
                ("stripe_invoice_id", models.CharField(blank=True, max_length=64)),
                (
                    "finalizes_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="When Stripe will finalize the draft, as last seen.",
                        null=True,
                    ),
                ),
                ("postponed_at", models.DateTimeField(blank=True, null=True)),
                ("released_at", models.DateTimeField(blank=True, null=True)),
                (
                    "noted_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="When the evidence's hash was written into the draft.",
                        null=True,
                    ),
                ),
                (
                    "passed_unverified_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="The invoice became final before it was verified.",
                        null=True,
                    ),
                ),
                ("done_at", models.DateTimeField(blank=True, null=True)),
                (
                    "failure",
                    models.TextField(
                        blank=True, help_text="Why Stripe could not be asked or did not."
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("done_at", None)),
                        fields=["next_check_at"],
                        name="verifications_to_go_on_with",
                    )
                ],
            },
        ),
    ]
