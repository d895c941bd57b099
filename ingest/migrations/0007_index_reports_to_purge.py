"""Indexes by which deleted reports are found and removed once their evidence expires; before deploy."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("ingest", "0006_fill_series_last_seen")]

    operations = [
        # What an interrupted attempt leaves behind is invalid and in the way.
        migrations.RunSQL(
            "DROP INDEX CONCURRENTLY IF EXISTS hidden_reports_by_seen_at", migrations.RunSQL.noop
        ),
        AddIndexConcurrently(
            model_name="report",
            index=models.Index(
                fields=["organization", "seen_at"],
                condition=models.Q(("deleted_at", None), _negated=True),
                name="hidden_reports_by_seen_at",
            ),
        ),
        migrations.RunSQL(
            "DROP INDEX CONCURRENTLY IF EXISTS report_of_an_organization",
            migrations.RunSQL.noop,
        ),
        # A constraint in the next migration, which takes the index with it.
        migrations.RunSQL(
            "CREATE UNIQUE INDEX CONCURRENTLY report_of_an_organization"
            " ON ingest_report (organization_id, id)",
            migrations.RunSQL.noop,
        ),
    ]
