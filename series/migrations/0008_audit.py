"""The audit of projects, of their people and of their keys. Before deploy.

Only what is neither personal nor secret is kept, and nothing that changes with every look at it.
"""

from django.db import migrations

# Each table with its primary key and the columns that are kept.
AUDITED = {
    "series_project": ("id", "organization_id", "visibility", "deleted_at"),
    "series_projectmembership": ("id", "user_id", "project_id", "role"),
    "series_projectkey": ("id", "project_id", "creator_id", "expires_at", "revoked_at"),
}


def quoted(columns: tuple[str, ...]) -> str:
    """Return the trigger's arguments."""
    return ", ".join(f"'{column}'" for column in columns)


class Migration(migrations.Migration):
    dependencies = [
        ("series", "0007_projects_by_slug"),
        ("bencher", "0003_audit"),
    ]

    operations = [
        migrations.RunSQL(
            f"CREATE TRIGGER {table}_is_audited AFTER INSERT OR UPDATE OR DELETE ON {table}"
            f" FOR EACH ROW EXECUTE FUNCTION bencher_audit({quoted(columns)})",
            f"DROP TRIGGER {table}_is_audited ON {table}",
        )
        for table, columns in AUDITED.items()
    ]
