"""The permission to see the site as its people do; before or after deploy."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("tenancy", "0006_audit")]

    operations = [
        migrations.AlterModelOptions(
            name="user",
            options={"permissions": [("impersonate_user", "Can see the site as its people do")]},
        )
    ]
