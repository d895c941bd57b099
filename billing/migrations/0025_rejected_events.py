"""The index by which rejected events are counted and listed; before deploy."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("billing", "0024_triggers_look_in_public")]

    operations = [
        # What an interrupted attempt leaves behind is invalid and in the way.
        migrations.RunSQL(
            "DROP INDEX CONCURRENTLY IF EXISTS meter_events_rejected", migrations.RunSQL.noop
        ),
        AddIndexConcurrently(
            model_name="meterevent",
            index=models.Index(
                fields=["rejected_at"],
                condition=~models.Q(rejected_at=None),
                name="meter_events_rejected",
            ),
        ),
    ]
