"""The ledger of when each series was last seen; run before deploying what writes it."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        # After ingest's tables, so that the backfill can read them.
        ("ingest", "0002_metric_column"),
        ("series", "0001_initial"),
        ("tenancy", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="SeriesLastSeen",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "organization_id",
                        "testbed_id",
                        "benchmark_id",
                        "measure_id",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("last_seen", models.DateTimeField()),
                (
                    "benchmark",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.RESTRICT,
                        related_name="+",
                        to="series.benchmark",
                    ),
                ),
                (
                    "measure",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.RESTRICT,
                        related_name="+",
                        to="series.measure",
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.RESTRICT,
                        related_name="+",
                        to="tenancy.organization",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.RESTRICT,
                        related_name="+",
                        to="series.project",
                    ),
                ),
                (
                    "testbed",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.RESTRICT,
                        related_name="+",
                        to="series.testbed",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "series last seen",
                "db_table": "series_last_seen",
                "indexes": [
                    models.Index(
                        fields=["organization", "last_seen"],
                        include=("project",),
                        name="series_last_seen_by_time",
                    )
                ],
            },
        ),
        # Keeps the visibility map fresh, so that the count stays an index-only scan.
        migrations.RunSQL(
            "ALTER TABLE series_last_seen SET (autovacuum_vacuum_scale_factor = 0.02,"
            " autovacuum_vacuum_insert_scale_factor = 0.02)",
            "ALTER TABLE series_last_seen RESET (autovacuum_vacuum_scale_factor,"
            " autovacuum_vacuum_insert_scale_factor)",
        ),
    ]
