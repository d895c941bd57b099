"""The index by which older plans' reports are found to be billed; before deploy."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("ingest", "0009_columns_have_reports")]

    operations = [
        # What an interrupted attempt leaves behind is invalid and in the way.
        migrations.RunSQL(
            "DROP INDEX CONCURRENTLY IF EXISTS reports_by_received_at", migrations.RunSQL.noop
        ),
        AddIndexConcurrently(
            model_name="report",
            index=models.Index(
                fields=["organization", "received_at"], name="reports_by_received_at"
            ),
        ),
    ]
