"""Acts of staff: permissions for each, events held back, billing frozen. Before deploy."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

PERMISSIONS = {
    "billingperiod": [
        ("recount_billingperiod", "Can recount a period, and propose what it comes to"),
        ("close_billingperiod", "Can close a period that has ended"),
    ],
    "correction": [("decide_correction", "Can apply or decline a correction")],
    "meterevent": [
        ("resend_meterevent", "Can have a meter event sent again"),
        ("hold_meterevent", "Can hold a meter event back and let it go"),
    ],
    "plan": [
        ("post_plan", "Can post what a plan uses now"),
        ("reconcile_plan", "Can compare a plan's figures with Stripe's"),
        ("extend_trial_of_plan", "Can extend a trial"),
        ("freeze_plan", "Can freeze billing of an organization and let it go on"),
        ("release_plan", "Can release a held plan"),
        ("cancel_plan", "Can cancel a plan at once"),
    ],
    "statement": [("correct_statement", "Can propose a correction of a statement")],
    "webhookreceipt": [("replay_webhookreceipt", "Can have a webhook handled again")],
}


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0019_drift_of_meters_that_add_up"),
        ("tenancy", "0002_slugs_of_the_living"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        *(
            migrations.AlterModelOptions(name=name, options={"permissions": permissions})
            for name, permissions in PERMISSIONS.items()
        ),
        migrations.AddField(
            model_name="meterevent",
            name="held_at",
            field=models.DateTimeField(
                blank=True,
                help_text="Since when staff hold it back: it is not sent.",
                null=True,
            ),
        ),
        migrations.CreateModel(
            name="Freeze",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("reason", models.CharField(max_length=300)),
                ("begun_at", models.DateTimeField()),
                ("ended_why", models.CharField(blank=True, max_length=300)),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                (
                    "begun_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "ended_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="freezes",
                        to="tenancy.organization",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("ended_at", None)),
                        fields=("organization",),
                        name="one_lasting_freeze_per_organization",
                    )
                ],
            },
        ),
    ]
