"""The index by which staff page through statements by month; before deploy."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("billing", "0022_audit")]

    operations = [
        # What an interrupted attempt leaves behind is invalid and in the way.
        migrations.RunSQL(
            "DROP INDEX CONCURRENTLY IF EXISTS statements_by_close", migrations.RunSQL.noop
        ),
        AddIndexConcurrently(
            model_name="statement",
            index=models.Index(fields=["closed_at"], name="statements_by_close"),
        ),
    ]
