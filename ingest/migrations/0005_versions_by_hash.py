"""What: an index that finds a commit's version however long the history is.

Run before the code that looks versions up by it; without it that is slow and right.
"""

import django.db.models.deletion
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("ingest", "0004_reports_by_start_time")]

    operations = [
        # What an interrupted attempt leaves behind is invalid and in the way.
        migrations.RunSQL(
            "DROP INDEX CONCURRENTLY IF EXISTS versions_by_hash", migrations.RunSQL.noop
        ),
        AddIndexConcurrently(
            model_name="version",
            index=models.Index(fields=["project", "hash"], name="versions_by_hash"),
        ),
        # The new index begins with the project, so that the project's own is in the way.
        migrations.AlterField(
            model_name="version",
            name="project",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="series.project",
            ),
        ),
    ]
