"""A project cannot move to another organization, which would move its bill; before or after deploy.

The rule is billing's, so it is here; the column is series'.
"""

from django.db import migrations

FUNCTION = """
CREATE FUNCTION billing_refuse_move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'project % cannot move to another organization', OLD.uuid
        USING ERRCODE = 'integrity_constraint_violation';
END
$$
"""

TRIGGER = """
CREATE TRIGGER series_project_stays BEFORE UPDATE OF organization_id ON series_project
FOR EACH ROW WHEN (OLD.organization_id IS DISTINCT FROM NEW.organization_id)
EXECUTE FUNCTION billing_refuse_move()
"""


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0003_statement_evidence"),
        ("series", "0001_initial"),
    ]

    operations = [
        migrations.RunSQL(FUNCTION, "DROP FUNCTION billing_refuse_move()"),
        migrations.RunSQL(TRIGGER, "DROP TRIGGER series_project_stays ON series_project"),
    ]
