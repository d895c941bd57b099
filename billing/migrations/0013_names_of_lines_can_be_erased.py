"""Lets names in statement lines and reasons of corrections be erased; before the code that does.

Nothing else of them can change. Names are display only and outside of the evidence's hash.
"""

from django.db import migrations

# Whole rows are compared, so that columns of later migrations are final too.
FUNCTION = """
CREATE FUNCTION billing_refuse_change_of_line() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    erased billing_statementline := OLD;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        erased.project_name := '';
        erased.testbed_name := '';
        erased.benchmark_name := '';
        erased.measure_name := '';
        IF NEW IS NOT DISTINCT FROM erased THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'rows of % are final: % is refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'integrity_constraint_violation',
              HINT = 'Only blanking all four names of a line is let through.';
END
$$
"""

# A correction must have a reason, so that a word takes its place.
FUNCTION_OF_CORRECTIONS = """
CREATE FUNCTION billing_refuse_change_of_correction() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    erased billing_correction := OLD;
BEGIN
    erased.why := 'erased';
    IF TG_OP = 'UPDATE' AND NEW IS NOT DISTINCT FROM erased THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'rows of % are final: % is refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'integrity_constraint_violation';
END
$$
"""

REPLACE = """
CREATE OR REPLACE TRIGGER {table}_is_final BEFORE UPDATE OR DELETE ON {table}
FOR EACH ROW EXECUTE FUNCTION {function}()
"""

FUNCTIONS = {
    "billing_statementline": "billing_refuse_change_of_line",
    "billing_correction": "billing_refuse_change_of_correction",
}


class Migration(migrations.Migration):
    dependencies = [("billing", "0012_meter_error_reports")]

    operations = [
        migrations.RunSQL(FUNCTION, "DROP FUNCTION billing_refuse_change_of_line()"),
        migrations.RunSQL(
            FUNCTION_OF_CORRECTIONS, "DROP FUNCTION billing_refuse_change_of_correction()"
        ),
        *(
            migrations.RunSQL(
                REPLACE.format(table=table, function=function),
                REPLACE.format(table=table, function="billing_refuse_change"),
            )
            for table, function in FUNCTIONS.items()
        ),
    ]
