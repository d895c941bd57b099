"""Triggers find the tables that they are about, whatever else is called so. Before or after deploy.

PostgreSQL looks for a name among temporary tables first. Whoever made one called
`billing_correction`, which the application's role may, could have applied a correction of theirs.
"""

from django.db import migrations

FUNCTIONS = (
    "billing_need_second_person",
    "billing_refuse_change_of_line",
    "billing_refuse_change_of_correction",
)


class Migration(migrations.Migration):
    dependencies = [("billing", "0023_statements_by_close")]

    operations = [
        migrations.RunSQL(
            f"ALTER FUNCTION {function}() SET search_path = public, pg_temp",
            f"ALTER FUNCTION {function}() RESET search_path",
        )
        for function in FUNCTIONS
    ]
