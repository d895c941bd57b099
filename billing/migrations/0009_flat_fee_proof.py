"""What Stripe said an unused period costs. Before deploy."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("billing", "0008_verification")]

    operations = [
        migrations.CreateModel(
            name="FlatFeeProof",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("stripe_price_id", models.CharField(max_length=255)),
                ("tiers", models.JSONField(help_text="The price's tiers, as Stripe gave them.")),
                (
                    "expected_cents",
                    models.BigIntegerField(help_text="What our statements say it costs."),
                ),
                (
                    "charged_cents",
                    models.BigIntegerField(help_text="What Stripe's preview would charge."),
                ),
                ("asked_at", models.DateTimeField()),
            ],
        ),
    ]
