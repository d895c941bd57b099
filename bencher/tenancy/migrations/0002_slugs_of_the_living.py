"""Slugs are unique among living organizations; when a role changed. Before deploy."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tenancy", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="membership",
            name="modified_at",
            field=models.DateTimeField(
                blank=True, help_text="Empty until the role is changed.", null=True
            ),
        ),
        migrations.AddConstraint(
            model_name="organization",
            constraint=models.UniqueConstraint(
                condition=models.Q(("deleted_at", None)),
                fields=("slug",),
                name="slug_of_living_organization_is_unique",
            ),
        ),
        migrations.AlterField(
            model_name="organization",
            name="slug",
            field=models.SlugField(db_index=False, max_length=64),
        ),
    ]
