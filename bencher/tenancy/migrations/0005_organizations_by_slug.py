"""The index by which staff find organizations; before deploy."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("tenancy", "0004_invitations")]

    operations = [
        # What an interrupted attempt leaves behind is invalid and in the way.
        migrations.RunSQL(
            "DROP INDEX CONCURRENTLY IF EXISTS organizations_by_slug", migrations.RunSQL.noop
        ),
        AddIndexConcurrently(
            model_name="organization",
            index=models.Index(
                fields=["slug"],
                opclasses=["varchar_pattern_ops"],
                name="organizations_by_slug",
            ),
        ),
    ]
