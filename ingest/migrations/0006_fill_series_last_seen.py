"""Fills series_last_seen from the reports that were there before it; after deploy.

Deploy what writes the ledger first: then every report that this does not see writes its own rows.
Restartable, in batches, and only ever raises rows. On a large system run
`manage.py rebuild_series_last_seen` first; this then finds nothing to do. The statement is the one
of ingest.backfill as it was, because a migration must not change with the code.
"""

import sys

from django.db import migrations, transaction

BATCH = 1000

FILL = """
WITH batch AS (
    SELECT id, organization_id, project_id, testbed_id, seen_at
    FROM ingest_report
    WHERE id > %(after)s
    ORDER BY id
    LIMIT %(size)s
),
shape AS (
    SELECT batch.organization_id, batch.project_id, batch.testbed_id, metric.measure_id,
           metric.benchmark_ids, max(batch.seen_at) AS last_seen
    FROM batch
    JOIN ingest_metriccolumn metric
      ON metric.organization_id = batch.organization_id AND metric.report_id = batch.id
    GROUP BY batch.organization_id, batch.project_id, batch.testbed_id, metric.measure_id,
             metric.benchmark_ids
),
stored AS (
    INSERT INTO series_last_seen AS ledger
        (organization_id, testbed_id, benchmark_id, measure_id, project_id, last_seen)
    SELECT organization_id, testbed_id, benchmark_id, measure_id, project_id, max(last_seen)
    FROM shape, unnest(benchmark_ids) AS benchmark_id
    GROUP BY organization_id, testbed_id, benchmark_id, measure_id, project_id
    ORDER BY organization_id, testbed_id, benchmark_id, measure_id
    ON CONFLICT (organization_id, testbed_id, benchmark_id, measure_id)
    DO UPDATE SET last_seen = greatest(ledger.last_seen, excluded.last_seen)
    WHERE excluded.last_seen > ledger.last_seen
    RETURNING 1
)
SELECT (SELECT max(id) FROM batch), (SELECT count(*) FROM batch), (SELECT count(*) FROM stored)
"""


def fill(apps, schema_editor):
    connection = schema_editor.connection
    after = done = 0
    while True:
        # Each batch commits, so that an interrupted migration goes on where it stopped.
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            cursor.execute(FILL, {"after": after, "size": BATCH})
            last, read, _ = cursor.fetchone()
        if last is None:
            return
        after, done = last, done + read
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{done:,} reports read")


class Migration(migrations.Migration):
    atomic = False
    dependencies = [
        ("ingest", "0005_versions_by_hash"),
        ("series", "0002_series_last_seen"),
    ]
    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
