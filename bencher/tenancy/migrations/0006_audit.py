"""The audit of people, roles, keys and organizations. Before deploy.

Only what is neither personal nor secret is kept, and nothing that changes with every look at it.
"""

from django.db import migrations

# Each table with its primary key and the columns that are kept.
AUDITED = {
    "tenancy_user": ("id", "is_active", "is_staff", "is_superuser"),
    "tenancy_organization": ("id", "private_until", "deleted_at"),
    "tenancy_membership": ("id", "user_id", "organization_id", "role"),
    "tenancy_userkey": ("id", "user_id", "expires_at", "revoked_at"),
    "tenancy_invitation": (
        "id",
        "organization_id",
        "role",
        "invited_by_id",
        "expires_at",
        "accepted_at",
        "accepted_by_id",
        "revoked_at",
    ),
    "tenancy_user_groups": ("id", "user_id", "group_id"),
    "tenancy_user_user_permissions": ("id", "user_id", "permission_id"),
    "auth_group": ("id", "name"),
    "auth_group_permissions": ("id", "group_id", "permission_id"),
}


def quoted(columns: tuple[str, ...]) -> str:
    """Return the trigger's arguments."""
    return ", ".join(f"'{column}'" for column in columns)


class Migration(migrations.Migration):
    dependencies = [
        ("tenancy", "0005_organizations_by_slug"),
        ("bencher", "0003_audit"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [
        migrations.RunSQL(
            f"CREATE TRIGGER {table}_is_audited AFTER INSERT OR UPDATE OR DELETE ON {table}"
            f" FOR EACH ROW EXECUTE FUNCTION bencher_audit({quoted(columns)})",
            f"DROP TRIGGER {table}_is_audited ON {table}",
        )
        for table, columns in AUDITED.items()
    ]
