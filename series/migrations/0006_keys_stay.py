"""A series keeps the key it was first seen under; before or after deploy.

A row under another key would be another series, and its sightings would move with it. The trigger
names its columns, so recording activity, which sets `last_seen` only, does not run it.
"""

from django.db import migrations

FUNCTION = """
CREATE FUNCTION series_refuse_new_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a row of series_last_seen keeps its key: only last_seen may change'
        USING ERRCODE = 'integrity_constraint_violation';
END
$$
"""

TRIGGER = """
CREATE TRIGGER series_last_seen_keeps_its_key
BEFORE UPDATE OF organization_id, project_id, testbed_id, benchmark_id, measure_id
ON series_last_seen FOR EACH ROW
WHEN ((OLD.organization_id, OLD.project_id, OLD.testbed_id, OLD.benchmark_id, OLD.measure_id)
      IS DISTINCT FROM
      (NEW.organization_id, NEW.project_id, NEW.testbed_id, NEW.benchmark_id, NEW.measure_id))
EXECUTE FUNCTION series_refuse_new_key()
"""


class Migration(migrations.Migration):
    dependencies = [("series", "0005_expired_evidence")]

    operations = [
        migrations.RunSQL(FUNCTION, "DROP FUNCTION series_refuse_new_key()"),
        migrations.RunSQL(
            TRIGGER, "DROP TRIGGER series_last_seen_keeps_its_key ON series_last_seen"
        ),
    ]
