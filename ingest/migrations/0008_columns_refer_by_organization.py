"""Metric columns refer to their report by organization and report; before or after deploy.

The foreign key of the report alone has no index: each report that is removed would cost a scan of
all columns. What is stored is checked in the next migration, without holding up reports.
"""

import django.db.models.deletion
from django.db import migrations, models

FOREIGN_KEY = """
ALTER TABLE ingest_metriccolumn ADD CONSTRAINT metric_column_of_a_report
FOREIGN KEY (organization_id, report_id) REFERENCES ingest_report (organization_id, id)
DEFERRABLE INITIALLY DEFERRED NOT VALID
"""


class Migration(migrations.Migration):
    dependencies = [("ingest", "0007_index_reports_to_purge")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AddConstraint(
                    model_name="report",
                    constraint=models.UniqueConstraint(
                        fields=("organization", "id"), name="report_of_an_organization"
                    ),
                )
            ],
            database_operations=[
                migrations.RunSQL(
                    "ALTER TABLE ingest_report ADD CONSTRAINT report_of_an_organization"
                    " UNIQUE USING INDEX report_of_an_organization",
                    "ALTER TABLE ingest_report DROP CONSTRAINT report_of_an_organization",
                )
            ],
        ),
        migrations.RunSQL(
            FOREIGN_KEY,
            "ALTER TABLE ingest_metriccolumn DROP CONSTRAINT metric_column_of_a_report",
        ),
        migrations.AlterField(
            model_name="metriccolumn",
            name="report",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="columns",
                to="ingest.report",
            ),
        ),
    ]
