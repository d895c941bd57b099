"""Plans end, are released and are kept single; what webhooks are about; before deploy.

Receipts and checkouts that wait are told what to look at, as new ones are.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0009_flat_fee_proof"),
        ("tenancy", "0002_slugs_of_the_living"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Cancellation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("reason", models.CharField(max_length=300)),
                ("requested_at", models.DateTimeField()),
                (
                    "ends_at",
                    models.DateTimeField(help_text="The minute at which nothing more is counted."),
                ),
                (
                    "deletes_organization",
                    models.BooleanField(
                        default=False,
                        help_text="The organization is deleted once the plan has ended.",
                    ),
                ),
                (
                    "waits_for",
                    models.CharField(
                        blank=True, help_text="Why it is not done yet.", max_length=300
                    ),
                ),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
            ],
        ),
        migrations.CreateModel(
            name="Release",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("reason", models.CharField(max_length=300)),
                ("held_why", models.CharField(max_length=300)),
                ("old_price_id", models.CharField(max_length=64)),
                ("new_price_id", models.CharField(max_length=64)),
                ("released_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="SecondSubscription",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("stripe_subscription_id", models.CharField(max_length=64, unique=True)),
                ("live_subscription_id", models.CharField(blank=True, max_length=64)),
                ("found_at", models.DateTimeField()),
                (
                    "taken_back_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="Empty where staff must look, or Stripe failed so far.",
                        null=True,
                    ),
                ),
                (
                    "for_staff",
                    models.BooleanField(
                        default=False,
                        help_text="It did not come from a checkout of ours, so nothing was done.",
                    ),
                ),
                (
                    "undone",
                    models.JSONField(
                        blank=True, default=list, help_text="Its invoices, and what became of each."
                    ),
                ),
            ],
        ),
        migrations.AddField(
            model_name="billingperiod",
            name="invoiced_until",
            field=models.DateTimeField(
                blank=True,
                help_text="Where Stripe's own period ends, if this one was cut before it.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="checkout",
            name="level",
            field=models.CharField(
                choices=[("pro", "Pro"), ("team", "Team"), ("enterprise", "Enterprise")],
                default="pro",
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="checkout",
            name="look_after",
            field=models.DateTimeField(
                blank=True,
                help_text="When to ask Stripe again whether it was completed.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="plan",
            name="sync_after",
            field=models.DateTimeField(
                blank=True, help_text="When to ask Stripe again, after that failed.", null=True
            ),
        ),
        migrations.AddField(
            model_name="webhookreceipt",
            name="subject_id",
            field=models.CharField(
                blank=True,
                help_text="What is read again: the subscription or the checkout that it is about.",
                max_length=128,
            ),
        ),
        migrations.AddConstraint(
            model_name="checkout",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state__in", ["open", "completed"]), ("with_trial", True)),
                fields=("started_by",),
                name="one_trial_per_user",
            ),
        ),
        migrations.AddConstraint(
            model_name="checkout",
            constraint=models.CheckConstraint(
                condition=models.Q(("level__in", ["pro", "team", "enterprise"])),
                name="checkout_level_is_known",
            ),
        ),
        migrations.AddField(
            model_name="cancellation",
            name="plan",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="cancellation",
                to="billing.plan",
            ),
        ),
        migrations.AddField(
            model_name="cancellation",
            name="requested_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="release",
            name="plan",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="releases",
                to="billing.plan",
            ),
        ),
        migrations.AddField(
            model_name="release",
            name="released_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="secondsubscription",
            name="organization",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="second_subscriptions",
                to="tenancy.organization",
            ),
        ),
        migrations.AddIndex(
            model_name="cancellation",
            index=models.Index(
                condition=models.Q(("finished_at", None)),
                fields=["requested_at"],
                name="cancellations_to_do",
            ),
        ),
        migrations.AddIndex(
            model_name="secondsubscription",
            index=models.Index(
                condition=models.Q(("for_staff", False), ("taken_back_at", None)),
                fields=["found_at"],
                name="second_subscriptions_to_undo",
            ),
        ),
        migrations.RunSQL(
            "UPDATE billing_webhookreceipt SET subject_id = object_id"
            " WHERE handled_at IS NULL AND type NOT LIKE 'invoice.%'",
            migrations.RunSQL.noop,
        ),
    ]
