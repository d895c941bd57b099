"""What Stripe could not use of what it had accepted. Before deploy."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0011_corrections"),
        ("tenancy", "0002_slugs_of_the_living"),
    ]

    operations = [
        migrations.CreateModel(
            name="MeterErrorReport",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("event_id", models.CharField(max_length=64, unique=True)),
                ("type", models.CharField(max_length=64)),
                ("received_at", models.DateTimeField()),
                ("handled_at", models.DateTimeField(blank=True, null=True)),
                (
                    "meter_id",
                    models.CharField(
                        blank=True, help_text="Empty: there is no meter.", max_length=64
                    ),
                ),
                ("summary", models.TextField(blank=True, help_text="In Stripe's words.")),
                ("starts_at", models.DateTimeField(blank=True, null=True)),
                ("ends_at", models.DateTimeField(blank=True, null=True)),
                (
                    "errors",
                    models.PositiveIntegerField(
                        default=0, help_text="How many events were not used."
                    ),
                ),
                (
                    "failure",
                    models.TextField(blank=True, help_text="Why the details could not be read."),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("handled_at", None)),
                        fields=["received_at"],
                        name="meter_errors_to_handle",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="MeterErrorSample",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("code", models.CharField(max_length=64)),
                ("message", models.TextField()),
                ("identifier", models.CharField(blank=True, max_length=100)),
                (
                    "event",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="billing.meterevent",
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenancy.organization",
                    ),
                ),
                (
                    "report",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="samples",
                        to="billing.metererrorreport",
                    ),
                ),
            ],
        ),
    ]
