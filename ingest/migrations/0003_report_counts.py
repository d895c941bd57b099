"""What: keeps with each report how many benchmarks and measures its iterations had.

Run before the code that writes it; the code before it does not know the columns.
"""

import django.contrib.postgres.fields
from django.db import migrations, models

COUNT_WHAT_IS_THERE = """
UPDATE ingest_report report
SET benchmark_counts = counted.benchmarks, measure_counts = counted.measures
FROM (
    SELECT report_id, array_agg(benchmarks ORDER BY iteration) AS benchmarks,
           array_agg(measures ORDER BY iteration) AS measures
    FROM (
        SELECT report_id, iteration, count(DISTINCT benchmark_id)::int AS benchmarks,
               count(DISTINCT measure_id)::int AS measures
        FROM ingest_metriccolumn, unnest(benchmark_ids) AS benchmark_id
        GROUP BY report_id, iteration
    ) iteration
    GROUP BY report_id
) counted
WHERE counted.report_id = report.id
"""


class Migration(migrations.Migration):
    dependencies = [("ingest", "0002_metric_column")]

    operations = [
        migrations.AddField(
            model_name="report",
            name="benchmark_counts",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.PositiveIntegerField(),
                db_default=[],
                help_text="Of each iteration that measured anything, so that lists need no metrics.",
                size=None,
            ),
        ),
        migrations.AddField(
            model_name="report",
            name="measure_counts",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.PositiveIntegerField(), db_default=[], size=None
            ),
        ),
        migrations.RunSQL(COUNT_WHAT_IS_THERE, migrations.RunSQL.noop),
    ]
