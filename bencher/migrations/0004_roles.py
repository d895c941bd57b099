"""The groups of staff, viewer and billing; before or after deploy.

What they may do is set at the end of each `migrate`, by bencher/roles.py.
"""

from typing import Any

from django.db import migrations


def add_groups(apps: Any, schema_editor: Any) -> None:
    """Add the groups that are not there."""
    group = apps.get_model("auth", "Group")
    for name in ("viewer", "billing"):
        group.objects.using(schema_editor.connection.alias).get_or_create(name=name)


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("bencher", "0003_audit"),
    ]

    operations = [migrations.RunPython(add_groups, migrations.RunPython.noop)]
