"""Words that are erased from the audit or the log of staff leave a trace in the audit. Any time.

Both let their words become empty, as erasing somebody needs. That alone would let whoever can write
to the database take out the reason of an act without anybody seeing it.
"""

from django.db import migrations

FUNCTION = """
CREATE FUNCTION bencher_audit_erasing() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    was jsonb := to_jsonb(OLD);
    becomes jsonb := to_jsonb(NEW);
    told jsonb := nullif(current_setting('bencher.audit', true), '')::jsonb;
    -- Which words, and not what they were.
    erased jsonb := (SELECT jsonb_object_agg(column_name, 'erased')
                     FROM jsonb_each_text(was) AS held (column_name, value)
                     WHERE value <> '' AND becomes ->> column_name = '');
BEGIN
    IF erased IS NOT NULL THEN
        INSERT INTO bencher_change (
            at, relation, row, kind, after, user_id, organization_id, program, request, why, role
        ) VALUES (
            clock_timestamp(), TG_TABLE_NAME, becomes ->> 'id', 'update', erased,
            (told ->> 'user')::bigint,
            coalesce(becomes ->> 'organization_id', told ->> 'organization')::bigint,
            coalesce(left(told ->> 'program', 100), ''),
            coalesce(left(told ->> 'request', 36), ''),
            coalesce(told ->> 'why', ''), session_user
        );
    END IF;
    RETURN NULL;
END
$$
"""
TABLES = ("bencher_change", "django_admin_log")


class Migration(migrations.Migration):
    dependencies = [("bencher", "0005_staff_acts_are_kept")]

    operations = [
        migrations.RunSQL(FUNCTION, "DROP FUNCTION bencher_audit_erasing()"),
        *(
            migrations.RunSQL(
                f"CREATE TRIGGER {table}_tells_of_erasing AFTER UPDATE ON {table}"
                " FOR EACH ROW EXECUTE FUNCTION bencher_audit_erasing()",
                f"DROP TRIGGER {table}_tells_of_erasing ON {table}",
            )
            for table in TABLES
        ),
    ]
