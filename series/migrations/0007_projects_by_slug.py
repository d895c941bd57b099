"""The index by which staff find projects; before deploy."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("series", "0006_keys_stay")]

    operations = [
        # What an interrupted attempt leaves behind is invalid and in the way.
        migrations.RunSQL(
            "DROP INDEX CONCURRENTLY IF EXISTS projects_by_slug", migrations.RunSQL.noop
        ),
        AddIndexConcurrently(
            model_name="project",
            index=models.Index(
                fields=["slug"],
                opclasses=["varchar_pattern_ops"],
                name="projects_by_slug",
            ),
        ),
    ]
