"""When a legacy plan becomes Pro. Before deploy."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("billing", "0014_outbox_states")]

    operations = [
        migrations.AddField(
            model_name="plan",
            name="pro_from",
            field=models.DateTimeField(
                blank=True,
                help_text="When a legacy plan becomes, or became, Pro; nothing legacy is used"
                " after.",
                null=True,
            ),
        ),
    ]
