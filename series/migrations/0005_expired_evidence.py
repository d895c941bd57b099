"""How far evidence was purged, and a function by which no recount passes that; before deploy."""

import django.db.models.deletion
from django.db import migrations, models

# Read in the snapshot of the recount that asks. It raises rather than to return false: a recount
# without its rows would be a number, and a wrong one. The state is series.recounting's.
FUNCTION = """
CREATE FUNCTION series_evidence_is_kept(of_organization bigint, since timestamptz)
RETURNS boolean LANGUAGE plpgsql STABLE STRICT AS $$
DECLARE
    expired timestamptz := (
        SELECT before FROM series_expiredevidence
        WHERE organization_id = of_organization AND before > since
    );
BEGIN
    IF expired IS NOT NULL THEN
        RAISE EXCEPTION 'Evidence expired: reports from before % are not all kept, so nothing from % on can be recounted.',
            to_char(expired AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
            to_char(since AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
            USING ERRCODE = 'ZE001';
    END IF;
    RETURN true;
END
$$
"""


class Migration(migrations.Migration):
    dependencies = [("series", "0004_names_of_the_living")]

    operations = [
        migrations.CreateModel(
            name="ExpiredEvidence",
            fields=[
                (
                    "organization",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        serialize=False,
                        to="tenancy.organization",
                    ),
                ),
                ("before", models.DateTimeField()),
                ("purged_at", models.DateTimeField()),
            ],
            options={"verbose_name_plural": "expired evidence"},
        ),
        migrations.RunSQL(FUNCTION, "DROP FUNCTION series_evidence_is_kept(bigint, timestamptz)"),
    ]
