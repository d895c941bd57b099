"""The addresses of the users there are, as verified where they have a password. Before deploy.

Whoever has a password was given it by staff or by a command, with that address. Whoever has none
was added by a leader and is asked for a mailed link anyway. Erased users have no address.
"""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("tenancy", "0002_slugs_of_the_living"),
        ("account", "0009_emailaddress_unique_primary_email"),
    ]

    operations = [
        migrations.RunSQL(
            sql="""
                INSERT INTO account_emailaddress (user_id, email, verified, "primary")
                SELECT id, email, password NOT LIKE '!%', true
                FROM tenancy_user
                WHERE email NOT LIKE '%@erased.invalid'
                  AND NOT EXISTS (
                      SELECT FROM account_emailaddress WHERE user_id = tenancy_user.id
                  )
            """,
            reverse_sql=migrations.RunSQL.noop,
        )
    ]
