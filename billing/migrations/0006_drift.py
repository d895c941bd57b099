"""What the nightly reconciliation finds; before deploy."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0005_plan_is_held"),
        ("tenancy", "0002_slugs_of_the_living"),
    ]

    operations = [
        migrations.CreateModel(
            name="Drift",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "reason",
                    models.CharField(
                        choices=[
                            ("ledger", "a row of the ledger is wrong"),
                            ("recount", "the reports are not what was closed"),
                            ("evidence", "the statement's lines are not what was hashed"),
                            ("not-closed", "the period was not closed"),
                            ("rejected", "Stripe rejected the event"),
                            ("not-delivered", "the event was not delivered"),
                            ("project-changed", "a project was flipped, deleted or restored"),
                            ("not-posted", "nothing was posted"),
                            ("outbox", "the posted value is not the count"),
                            ("stripe", "Stripe's meter holds another value"),
                            ("invoice", "the invoice differs"),
                            ("not-settled", "the settlement is missing"),
                            ("settlement", "the settlement is not what was invoiced"),
                        ],
                        max_length=15,
                    ),
                ),
                (
                    "differences",
                    models.TextField(help_text="What differs, a sentence in each line."),
                ),
                (
                    "figures",
                    models.JSONField(help_text="What each holder said; empty where it could not."),
                ),
                ("found_at", models.DateTimeField()),
                ("checked_at", models.DateTimeField(help_text="It was still there then.")),
                ("resolved_at", models.DateTimeField(blank=True, null=True)),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="drifts",
                        to="tenancy.organization",
                    ),
                ),
                (
                    "period",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="drifts",
                        to="billing.billingperiod",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("resolved_at", None)),
                        fields=("period",),
                        name="one_unresolved_drift_per_period",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "reason__in",
                                [
                                    "ledger",
                                    "recount",
                                    "evidence",
                                    "not-closed",
                                    "rejected",
                                    "not-delivered",
                                    "project-changed",
                                    "not-posted",
                                    "outbox",
                                    "stripe",
                                    "invoice",
                                    "not-settled",
                                    "settlement",
                                ],
                            )
                        ),
                        name="drift_reason_is_known",
                    ),
                ],
            },
        ),
    ]
