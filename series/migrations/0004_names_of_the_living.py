"""Names and slugs are unique among living projects; who made a key. Before deploy."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("series", "0003_project_roles"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="projectkey",
            name="creator",
            field=models.ForeignKey(
                blank=True,
                help_text="Empty where a command made it.",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddConstraint(
            model_name="project",
            constraint=models.UniqueConstraint(
                condition=models.Q(("deleted_at", None)),
                fields=("organization", "name"),
                name="name_of_living_project_is_unique",
            ),
        ),
        migrations.AddConstraint(
            model_name="project",
            constraint=models.UniqueConstraint(
                condition=models.Q(("deleted_at", None)),
                fields=("slug",),
                name="slug_of_living_project_is_unique",
            ),
        ),
        migrations.RemoveConstraint(
            model_name="project",
            name="project_name_is_unique",
        ),
        migrations.AlterField(
            model_name="project",
            name="slug",
            field=models.SlugField(db_index=False, max_length=64),
        ),
    ]
