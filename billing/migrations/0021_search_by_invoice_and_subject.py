"""The indexes by which staff find invoices, and what was told of a subscription; before deploy."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("billing", "0020_staff_acts")]

    operations = [
        # What an interrupted attempt leaves behind is invalid and in the way.
        migrations.RunSQL(
            "DROP INDEX CONCURRENTLY IF EXISTS settlements_by_invoice", migrations.RunSQL.noop
        ),
        AddIndexConcurrently(
            model_name="settlement",
            index=models.Index(
                fields=["stripe_invoice_id"],
                opclasses=["varchar_pattern_ops"],
                name="settlements_by_invoice",
            ),
        ),
        migrations.RunSQL(
            "DROP INDEX CONCURRENTLY IF EXISTS verifications_by_invoice", migrations.RunSQL.noop
        ),
        AddIndexConcurrently(
            model_name="verification",
            index=models.Index(
                fields=["stripe_invoice_id"],
                opclasses=["varchar_pattern_ops"],
                name="verifications_by_invoice",
            ),
        ),
        migrations.RunSQL(
            "DROP INDEX CONCURRENTLY IF EXISTS webhooks_by_subject", migrations.RunSQL.noop
        ),
        AddIndexConcurrently(
            model_name="webhookreceipt",
            index=models.Index(
                fields=["subject_id", "received_at"],
                opclasses=["varchar_pattern_ops", "timestamptz_ops"],
                name="webhooks_by_subject",
            ),
        ),
    ]
