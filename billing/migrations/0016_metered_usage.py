"""When older plans are billed by metrics, and the minutes of bare-metal runners. Before deploy."""

import uuid

import django.contrib.postgres.constraints
import django.contrib.postgres.fields.ranges
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0015_plan_becomes_pro"),
        ("tenancy", "0002_slugs_of_the_living"),
    ]

    operations = [
        migrations.CreateModel(
            name="MetricsPeriod",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("stripe_subscription_id", models.CharField(max_length=64)),
                ("starts_at", models.DateTimeField()),
                ("ends_at", models.DateTimeField()),
                (
                    "metered_from",
                    models.DateTimeField(
                        help_text="Its start; later where the subscription was billed by another system before."
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="metrics_periods",
                        to="tenancy.organization",
                    ),
                ),
                (
                    "plan",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="metrics_periods",
                        to="billing.plan",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["organization", "ends_at"], name="metrics_periods_by_end")
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("stripe_subscription_id", "starts_at"),
                        name="one_metrics_period_per_subscription_and_start",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("ends_at__gt", models.F("starts_at"))),
                        name="metrics_period_ends_after_it_starts",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("metered_from__gte", models.F("starts_at"))),
                        name="metrics_period_is_metered_from_its_start",
                    ),
                    django.contrib.postgres.constraints.ExclusionConstraint(
                        expressions=[
                            (
                                models.Func(
                                    models.F("organization_id"),
                                    models.F("organization_id"),
                                    models.Value("[]"),
                                    function="int8range",
                                    output_field=django.contrib.postgres.fields.ranges.BigIntegerRangeField(),
                                ),
                                "&&",
                            ),
                            (
                                models.Func(
                                    models.F("starts_at"),
                                    models.F("ends_at"),
                                    function="tstzrange",
                                    output_field=django.contrib.postgres.fields.ranges.DateTimeRangeField(),
                                ),
                                "&&",
                            ),
                        ],
                        name="metrics_periods_of_an_organization_do_not_overlap",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="RunnerMinutes",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("uuid", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("runner", models.CharField(max_length=64)),
                ("minutes", models.PositiveIntegerField()),
                ("start_time", models.DateTimeField(help_text="As sent.")),
                ("end_time", models.DateTimeField(blank=True, help_text="As sent.", null=True)),
                ("idempotency_key", models.CharField(max_length=255)),
                ("received_at", models.DateTimeField()),
                (
                    "organization",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="runner_minutes",
                        to="tenancy.organization",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "runner minutes",
                "indexes": [
                    models.Index(
                        fields=["organization", "received_at"], name="runner_minutes_by_time"
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organization", "idempotency_key"),
                        name="one_call_about_minutes_per_idempotency_key",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("minutes__gte", 1)), name="minutes_are_some"
                    ),
                ],
            },
        ),
    ]
