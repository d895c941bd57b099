"""Budgets that leaders set, and the notices that were sent. Before deploy."""

import uuid

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import billing.notice_models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0006_drift"),
        ("tenancy", "0002_slugs_of_the_living"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Budget",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "unit",
                    models.CharField(
                        choices=[("series", "active series"), ("amount", "amount of the bill")],
                        max_length=6,
                    ),
                ),
                ("limit", models.PositiveBigIntegerField(help_text="Series, or cents.")),
                (
                    "thresholds",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.PositiveSmallIntegerField(),
                        default=billing.notice_models.every_threshold,
                        help_text="At how many percent of the limit leaders are told.",
                        size=None,
                    ),
                ),
                ("set_at", models.DateTimeField()),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="budgets",
                        to="tenancy.organization",
                    ),
                ),
                (
                    "set_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organization", "unit"), name="one_budget_per_organization_and_unit"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("unit__in", ["series", "amount"])),
                        name="budget_unit_is_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("limit__gte", 1)), name="budget_limit_is_positive"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("thresholds__contained_by", [50, 75, 90, 100]),
                            ("thresholds__len__gte", 1),
                        ),
                        name="budget_thresholds_are_known",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Notice",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("uuid", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("trial-ending", "the trial ends soon"),
                            ("tier-crossed", "a higher band was reached"),
                            ("budget-reached", "a part of a budget was reached"),
                            ("payment-failed", "a payment failed"),
                            ("statement-ready", "a period was closed"),
                        ],
                        max_length=15,
                    ),
                ),
                (
                    "about",
                    models.CharField(
                        help_text="Which of several events of this kind: a band, a threshold, …",
                        max_length=100,
                    ),
                ),
                (
                    "figures",
                    models.JSONField(blank=True, default=dict, help_text="What the e-mail says."),
                ),
                ("noticed_at", models.DateTimeField()),
                (
                    "recipients",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.UUIDField(),
                        blank=True,
                        default=list,
                        help_text="The UUIDs of the users written to.",
                        size=None,
                    ),
                ),
                ("attempts", models.PositiveIntegerField(default=0)),
                (
                    "next_attempt_at",
                    models.DateTimeField(blank=True, help_text="On the real clock.", null=True),
                ),
                ("sent_at", models.DateTimeField(blank=True, null=True)),
                ("given_up_at", models.DateTimeField(blank=True, null=True)),
                (
                    "failure",
                    models.TextField(blank=True, help_text="Why the last attempt did not succeed."),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="notices",
                        to="tenancy.organization",
                    ),
                ),
                (
                    "period",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        help_text="Empty where the plan has no periods of ours.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="notices",
                        to="billing.billingperiod",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("given_up_at", None), ("sent_at", None)),
                        fields=["next_attempt_at"],
                        name="notices_to_send",
                    ),
                    models.Index(fields=["period", "kind"], name="notices_by_period"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organization", "kind", "about", "period"),
                        name="one_notice_per_event_and_period",
                        nulls_distinct=False,
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "kind__in",
                                [
                                    "trial-ending",
                                    "tier-crossed",
                                    "budget-reached",
                                    "payment-failed",
                                    "statement-ready",
                                ],
                            )
                        ),
                        name="notice_kind_is_known",
                    ),
                ],
            },
        ),
    ]
