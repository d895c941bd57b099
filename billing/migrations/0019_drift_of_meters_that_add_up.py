"""Drift of meters that add up, of older plans too; the table is small. Before deploy."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0018_earlier_subscriptions"),
        ("tenancy", "0002_slugs_of_the_living"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="drift",
            name="one_unresolved_drift_per_period",
        ),
        migrations.AddField(
            model_name="drift",
            name="meter",
            field=models.CharField(
                choices=[
                    ("active_series", "Active Series"),
                    ("metrics", "Metrics"),
                    ("runner_minutes", "Runner Minutes"),
                ],
                db_default="active_series",
                default="active_series",
                max_length=16,
            ),
        ),
        migrations.AddField(
            model_name="drift",
            name="metrics_period",
            field=models.ForeignKey(
                blank=True,
                help_text="Of an older plan, in place of the period.",
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="drifts",
                to="billing.metricsperiod",
            ),
        ),
        migrations.AlterField(
            model_name="drift",
            name="period",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="drifts",
                to="billing.billingperiod",
            ),
        ),
        migrations.AddConstraint(
            model_name="drift",
            constraint=models.UniqueConstraint(
                condition=models.Q(("resolved_at", None)),
                fields=("period", "meter"),
                name="one_unresolved_drift_per_period_and_meter",
            ),
        ),
        migrations.AddConstraint(
            model_name="drift",
            constraint=models.UniqueConstraint(
                condition=models.Q(("resolved_at", None)),
                fields=("metrics_period", "meter"),
                name="one_unresolved_drift_per_metrics_period_and_meter",
            ),
        ),
        migrations.AddConstraint(
            model_name="drift",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("metrics_period", None), ("period__isnull", False)),
                    models.Q(("metrics_period__isnull", False), ("period", None)),
                    _connector="OR",
                ),
                name="drift_is_of_one_period",
            ),
        ),
        migrations.AddConstraint(
            model_name="drift",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("meter", "active_series"), ("period__isnull", False)),
                    models.Q(("meter", "metrics"), ("metrics_period__isnull", False)),
                    ("meter", "runner_minutes"),
                    _connector="OR",
                ),
                name="drift_is_of_a_meter_that_bills_the_period",
            ),
        ),
    ]
