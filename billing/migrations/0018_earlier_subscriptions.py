"""Who had a subscription before it could be a plan here, for trials. Before deploy."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tenancy", "0002_slugs_of_the_living"),
        ("billing", "0017_first_reports"),
    ]

    operations = [
        migrations.CreateModel(
            name="EarlierSubscription",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("stripe_subscription_id", models.CharField(max_length=64, unique=True)),
                ("noted_at", models.DateTimeField()),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="earlier_subscriptions",
                        to="tenancy.organization",
                    ),
                ),
            ],
        ),
    ]
