"""How many series reported first on each day of a running period, for the chart. Before deploy."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0016_metered_usage"),
    ]

    operations = [
        migrations.CreateModel(
            name="FirstReports",
            fields=[
                (
                    "period",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="first_reports",
                        serialize=False,
                        to="billing.billingperiod",
                    ),
                ),
                (
                    "counted_at",
                    models.DateTimeField(help_text="Days that ended by then are complete."),
                ),
                (
                    "days",
                    models.JSONField(
                        help_text="Lists of a UTC day, a project's id and its number of series."
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "first reports",
            },
        ),
    ]
