"""The audit: its table, which keeps everything, and the function that writes it. Before deploy.

The function belongs to the owner of the tables and runs with the owner's rights, so that the
application's role can make no entry, and change and delete none.
"""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

RECORD = """
CREATE FUNCTION bencher_audit() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    -- The first argument names the primary key, the others the columns that are kept.
    columns text[] := TG_ARGV[1:];
    was jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END;
    becomes jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END;
    key text := coalesce(becomes, was) ->> TG_ARGV[0];
    told jsonb := nullif(current_setting('bencher.audit', true), '')::jsonb;
    changed text[];
BEGIN
    SELECT array_agg(name) INTO changed
    FROM unnest(columns) name
    WHERE TG_OP <> 'UPDATE' OR was -> name IS DISTINCT FROM becomes -> name;
    IF changed IS NULL THEN
        RETURN NULL;
    END IF;
    INSERT INTO bencher_change (
        at, relation, row, kind, before, after,
        user_id, organization_id, program, request, why, role
    ) VALUES (
        clock_timestamp(), TG_TABLE_NAME, key, lower(TG_OP),
        (SELECT jsonb_object_agg(name, was -> name) FROM unnest(changed) name
         WHERE was IS NOT NULL),
        (SELECT jsonb_object_agg(name, becomes -> name) FROM unnest(changed) name
         WHERE becomes IS NOT NULL),
        (told ->> 'user')::bigint, (told ->> 'organization')::bigint,
        coalesce(left(told ->> 'program', 100), ''), coalesce(left(told ->> 'request', 36), ''),
        coalesce(told ->> 'why', ''), session_user
    );
    RETURN NULL;
END
$$
"""

KEEP = """
CREATE FUNCTION bencher_keep_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Erasing somebody blanks the words of whoever said why, and nothing else.
    IF TG_OP = 'UPDATE' AND NEW.why = ''
       AND to_jsonb(NEW) - 'why' = to_jsonb(OLD) - 'why' THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'the audit is kept: % is refused', TG_OP
        USING ERRCODE = 'integrity_constraint_violation';
END
$$
"""


class Migration(migrations.Migration):
    dependencies = [
        ("bencher", "0002_cache_table"),
        ("tenancy", "0004_invitations"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Change",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        db_index=True,
                        help_text="By the real clock.",
                    ),
                ),
                ("relation", models.CharField(help_text="The table.", max_length=63)),
                ("row", models.CharField(help_text="The row's primary key.", max_length=64)),
                (
                    "kind",
                    models.CharField(
                        choices=[("insert", "made"), ("update", "changed"), ("delete", "deleted")],
                        max_length=6,
                    ),
                ),
                ("before", models.JSONField(help_text="What was changed, as it was.", null=True)),
                ("after", models.JSONField(help_text="What was changed, as it became.", null=True)),
                (
                    "program",
                    models.CharField(help_text="The verb, task or command.", max_length=100),
                ),
                (
                    "request",
                    models.CharField(help_text="The request's id, as in the logs.", max_length=36),
                ),
                ("why", models.TextField(help_text="What was said to be the reason.")),
                ("role", models.CharField(help_text="The database's role.", max_length=63)),
                (
                    "organization",
                    models.ForeignKey(
                        db_constraint=False,
                        help_text="Whose it is, where staff acted.",
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="tenancy.organization",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        db_constraint=False,
                        help_text="Who was signed in, or whose key it was.",
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["relation", "row", "-id"], name="changes_of_a_row")
                ],
            },
        ),
        migrations.RunSQL(RECORD, "DROP FUNCTION bencher_audit()"),
        migrations.RunSQL(
            [
                KEEP,
                "CREATE TRIGGER audit_is_kept BEFORE UPDATE OR DELETE ON bencher_change"
                " FOR EACH ROW EXECUTE FUNCTION bencher_keep_audit()",
                "CREATE TRIGGER audit_is_not_truncated BEFORE TRUNCATE ON bencher_change"
                " FOR EACH STATEMENT EXECUTE FUNCTION bencher_keep_audit()",
            ],
            [
                "DROP TRIGGER audit_is_not_truncated ON bencher_change",
                "DROP TRIGGER audit_is_kept ON bencher_change",
                "DROP FUNCTION bencher_keep_audit()",
            ],
        ),
    ]
