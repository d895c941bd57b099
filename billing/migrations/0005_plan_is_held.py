"""Plans can be held and settlements wait their turn; before deploy."""

import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0004_projects_stay"),
    ]

    operations = [
        migrations.AddField(
            model_name="billingperiod",
            name="settle_after",
            field=models.DateTimeField(
                blank=True, help_text="When to look for its invoice again.", null=True
            ),
        ),
        migrations.AddField(
            model_name="plan",
            name="held_at",
            field=models.DateTimeField(
                blank=True,
                help_text="Its item or price changed at Stripe: staff must look before a period opens.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="plan",
            name="held_why",
            field=models.CharField(blank=True, max_length=300),
        ),
        migrations.AddField(
            model_name="plan",
            name="status_since",
            field=models.DateTimeField(
                db_default=django.db.models.functions.datetime.Now(),
                help_text="Since when we know of the status.",
            ),
        ),
    ]
