"""The table of the default cache: attempts to sign in, used codes. Before deploy.

As `manage.py createcachetable` makes it, so that a deployment needs no further command.
"""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("bencher", "0001_initial")]

    operations = [
        migrations.RunSQL(
            sql=[
                "CREATE TABLE IF NOT EXISTS bencher_cache ("
                "cache_key varchar(255) PRIMARY KEY,"
                " value text NOT NULL,"
                " expires timestamptz NOT NULL)",
                "CREATE INDEX IF NOT EXISTS bencher_cache_expires ON bencher_cache (expires)",
            ],
            reverse_sql="DROP TABLE bencher_cache",
        )
    ]
