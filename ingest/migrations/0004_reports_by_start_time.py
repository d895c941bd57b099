"""What: an index for the list of reports, sorted by their start as Bencher sorts it.

Run before the code that lists them; without it the list is slow and right.
"""

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("ingest", "0003_report_counts")]

    operations = [
        # What an interrupted attempt leaves behind is invalid and in the way.
        migrations.RunSQL(
            "DROP INDEX CONCURRENTLY IF EXISTS reports_by_start_time", migrations.RunSQL.noop
        ),
        AddIndexConcurrently(
            model_name="report",
            index=models.Index(fields=["project", "start_time"], name="reports_by_start_time"),
        ),
        RemoveIndexConcurrently(model_name="report", name="reports_of_a_project"),
    ]
