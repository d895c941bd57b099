"""Statements, their lines and settlements are written once; before or after deploy."""

from django.db import migrations

TABLES = ("billing_statement", "billing_statementline", "billing_settlement")

FUNCTION = """
CREATE FUNCTION billing_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are final: % is refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'integrity_constraint_violation';
END
$$
"""

ROW_TRIGGER = """
CREATE TRIGGER {table}_is_final BEFORE UPDATE OR DELETE ON {table}
FOR EACH ROW EXECUTE FUNCTION billing_refuse_change()
"""

TRUNCATE_TRIGGER = """
CREATE TRIGGER {table}_is_not_truncated BEFORE TRUNCATE ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_change()
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0001_initial")]

    operations = [
        migrations.RunSQL(FUNCTION, "DROP FUNCTION billing_refuse_change()"),
        *(
            migrations.RunSQL(
                [ROW_TRIGGER.format(table=table), TRUNCATE_TRIGGER.format(table=table)],
                [
                    f"DROP TRIGGER {table}_is_final ON {table}",
                    f"DROP TRIGGER {table}_is_not_truncated ON {table}",
                ],
            )
            for table in TABLES
        ),
    ]
