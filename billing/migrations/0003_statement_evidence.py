"""Statements get a public UUID, their price, late changes and the evidence's hash; before deploy.

A close that the old code begins in between fails, and the new code does it again a minute later.
"""

import django.contrib.postgres.functions
from django.db import migrations, models

# As billing/evidence.py wrote it at this time. What is frozen already keeps its lines, so its hash
# is what it would have been; the trigger is lifted for this one statement only.
FILL = """
ALTER TABLE billing_statement DISABLE TRIGGER billing_statement_is_final;
UPDATE billing_statement statement
SET stripe_price_id = period.stripe_price_id,
    evidence_sha256 = (
        SELECT encode(sha256(convert_to(
            coalesce(string_agg(line || E'\\n', '' ORDER BY line COLLATE "C"), ''), 'UTF8'
        )), 'hex')
        FROM (
            SELECT '{"benchmark":"' || benchmark_uuid || '","billed":' || billed
                || ',"first_report":"' || first_report_uuid || '","first_seen":"'
                || to_char(first_seen_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
                || '","last_report":"' || last_report_uuid || '","last_seen":"'
                || to_char(last_seen_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
                || '","measure":"' || measure_uuid || '","project":"' || project_uuid
                || '","testbed":"' || testbed_uuid || '"}' AS line
            FROM billing_statementline WHERE statement_id = statement.id
        ) evidence
    )
FROM billing_billingperiod period
WHERE period.id = statement.period_id;
ALTER TABLE billing_statement ENABLE TRIGGER billing_statement_is_final;
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0002_statements_are_final")]

    operations = [
        migrations.AddField(
            model_name="statement",
            name="uuid",
            field=models.UUIDField(
                db_default=django.contrib.postgres.functions.RandomUUID(),
                editable=False,
                unique=True,
            ),
        ),
        migrations.AddField(
            model_name="statement",
            name="stripe_price_id",
            field=models.CharField(
                default="", help_text="The price that was in force.", max_length=64
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="statement",
            name="late_changes",
            field=models.JSONField(
                blank=True,
                default=list,
                help_text="Flips, deletions and restores of its projects in the last two days or later:"
                " project, its series, kind, at, by (UUIDs).",
            ),
        ),
        migrations.AddField(
            model_name="statement",
            name="evidence_sha256",
            field=models.CharField(
                default="",
                help_text="SHA-256 of the evidence, which anybody can recompute.",
                max_length=64,
            ),
            preserve_default=False,
        ),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        migrations.AddConstraint(
            model_name="statement",
            constraint=models.CheckConstraint(
                condition=models.Q(("evidence_sha256__regex", "^[0-9a-f]{64}$")),
                name="statement_has_its_hash",
            ),
        ),
    ]
