"""The log of what staff did is kept and audited; the audit knows whose each row is. Before deploy.

Entries of the audit that are older know an organization only where staff acted.
"""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import F, Q

# As before, but for the organization.
RECORD = """
CREATE OR REPLACE FUNCTION bencher_audit() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    -- The first argument names the primary key, the others the columns that are kept.
    columns text[] := TG_ARGV[1:];
    was jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END;
    becomes jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END;
    held jsonb := coalesce(becomes, was);
    key text := held ->> TG_ARGV[0];
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
        (told ->> 'user')::bigint,
        -- What the row itself says counts more than what the program was about.
        coalesce(
            CASE TG_TABLE_NAME
                WHEN 'tenancy_organization' THEN key
                ELSE held ->> 'organization_id'
            END,
            told ->> 'organization'
        )::bigint,
        coalesce(left(told ->> 'program', 100), ''), coalesce(left(told ->> 'request', 36), ''),
        coalesce(told ->> 'why', ''), session_user
    );
    RETURN NULL;
END
$$
"""

KEEP = """
CREATE FUNCTION bencher_keep_admin_log() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    words text[] := ARRAY['object_repr', 'change_message'];
BEGIN
    -- Erasing somebody blanks the words, and nothing else.
    IF TG_OP = 'UPDATE' AND NEW.object_repr IN ('', OLD.object_repr)
       AND NEW.change_message IN ('', OLD.change_message)
       AND to_jsonb(NEW) - words = to_jsonb(OLD) - words THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'the log of staff is kept: % is refused', TG_OP
        USING ERRCODE = 'integrity_constraint_violation';
END
$$
"""


class Migration(migrations.Migration):
    dependencies = [
        ("bencher", "0004_roles"),
        ("admin", "0003_logentry_add_action_flag_choices"),
    ]

    operations = [
        # The older function would do with the newer table: nothing to take back.
        migrations.RunSQL(RECORD, migrations.RunSQL.noop),
        migrations.RunSQL(
            [
                KEEP,
                "CREATE TRIGGER admin_log_is_kept BEFORE UPDATE OR DELETE ON django_admin_log"
                " FOR EACH ROW EXECUTE FUNCTION bencher_keep_admin_log()",
                "CREATE TRIGGER admin_log_is_not_truncated BEFORE TRUNCATE ON django_admin_log"
                " FOR EACH STATEMENT EXECUTE FUNCTION bencher_keep_admin_log()",
                "CREATE TRIGGER django_admin_log_is_audited AFTER INSERT ON django_admin_log"
                " FOR EACH ROW EXECUTE FUNCTION bencher_audit("
                "'id', 'user_id', 'content_type_id', 'object_id', 'action_time')",
            ],
            [
                "DROP TRIGGER django_admin_log_is_audited ON django_admin_log",
                "DROP TRIGGER admin_log_is_not_truncated ON django_admin_log",
                "DROP TRIGGER admin_log_is_kept ON django_admin_log",
                "DROP FUNCTION bencher_keep_admin_log()",
            ],
        ),
        migrations.AlterField(
            model_name="change",
            name="organization",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                help_text="Whose the row is, or whom it was about.",
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="tenancy.organization",
            ),
        ),
        migrations.AddIndex(
            model_name="change",
            index=models.Index(
                F("organization"),
                F("at").desc(),
                F("id").desc(),
                name="changes_of_an_organization",
                condition=Q(organization__isnull=False),
            ),
        ),
    ]
