"""Checks that every metric column has its report; after 0008, before or after deploy."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("ingest", "0008_columns_refer_by_organization"),
        ("series", "0005_expired_evidence"),
    ]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE ingest_metriccolumn VALIDATE CONSTRAINT metric_column_of_a_report",
            migrations.RunSQL.noop,
        ),
    ]
