"""Flips of visibility, deletions and restores are final: what they say moves the bill.

A statement names those shortly before its close, and the reconciliation excuses a difference by
them, so that none may be taken out, moved or made somebody else's. Before or after deploy.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

FUNCTION = """
CREATE FUNCTION series_refuse_change_of_flip() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are final: % is refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'integrity_constraint_violation';
END
$$
"""


class Migration(migrations.Migration):
    dependencies = [
        ("series", "0008_audit"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterField(
            model_name="projectchange",
            name="by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.RunSQL(
            [
                FUNCTION,
                "CREATE TRIGGER series_projectchange_is_final"
                " BEFORE UPDATE OR DELETE ON series_projectchange"
                " FOR EACH ROW EXECUTE FUNCTION series_refuse_change_of_flip()",
                "CREATE TRIGGER series_projectchange_is_not_truncated"
                " BEFORE TRUNCATE ON series_projectchange"
                " FOR EACH STATEMENT EXECUTE FUNCTION series_refuse_change_of_flip()",
            ],
            [
                "DROP TRIGGER series_projectchange_is_not_truncated ON series_projectchange",
                "DROP TRIGGER series_projectchange_is_final ON series_projectchange",
                "DROP FUNCTION series_refuse_change_of_flip()",
            ],
        ),
    ]
