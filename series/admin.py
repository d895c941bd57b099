"""Projects and what is measured in them, for staff. Everything here is written by reports."""

from django.contrib import admin

from bencher.read_only_admin import ReadOnlyAdmin, ReadOnlyInline
from series.models import (
    Benchmark,
    Measure,
    Project,
    ProjectChange,
    ProjectKey,
    ProjectMembership,
    Testbed,
)


class ProjectChangeInline(ReadOnlyInline):
    """What happened to a project that moved its organization's bill."""

    model = ProjectChange
    fields = ("at", "kind", "by")
    ordering = ("at", "pk")


@admin.register(Project)
class ProjectAdmin(ReadOnlyAdmin):
    """Projects. Visibility is not a field to edit here: each flip has to be recorded."""

    list_display = ("name", "slug", "organization", "visibility", "created_at", "deleted_at")
    list_filter = ("visibility",)
    list_select_related = ("organization",)
    search_fields = ("slug", "uuid", "organization__slug", "organization__uuid")
    inlines = (ProjectChangeInline,)
    fields = (
        "name",
        "slug",
        "uuid",
        "organization",
        "visibility",
        "url",
        "created_at",
        "modified_at",
        "deleted_at",
    )


@admin.register(ProjectChange)
class ProjectChangeAdmin(ReadOnlyAdmin):
    """Flips of visibility, deletions and restores."""

    list_display = ("at", "project", "kind", "by")
    list_filter = ("kind",)
    list_select_related = ("project", "by")
    search_fields = ("project__slug", "project__organization__slug")


@admin.register(ProjectMembership)
class ProjectMembershipAdmin(ReadOnlyAdmin):
    """Roles in single projects, beside those in organizations."""

    list_display = ("user", "project", "role", "created_at")
    list_filter = ("role",)
    list_select_related = ("user", "project")
    search_fields = ("user__email", "project__slug", "project__organization__slug")


@admin.register(ProjectKey)
class ProjectKeyAdmin(ReadOnlyAdmin):
    """Keys of projects. The hash is never shown."""

    list_display = ("prefix", "name", "project", "created_at", "expires_at", "revoked_at")
    list_select_related = ("project",)
    search_fields = ("prefix", "project__slug", "uuid")
    fields = (
        "prefix",
        "name",
        "uuid",
        "project",
        "created_at",
        "expires_at",
        "revoked_at",
        "last_used_at",
    )


@admin.register(Testbed, Benchmark)
class DimensionAdmin(ReadOnlyAdmin):
    """Where benchmarks ran, and what ran."""

    list_display = ("name", "slug", "project", "created_at", "archived_at")
    list_select_related = ("project",)
    search_fields = ("uuid", "project__slug")
    fields = ("name", "slug", "uuid", "project", "created_at", "modified_at", "archived_at")


@admin.register(Measure)
class MeasureAdmin(ReadOnlyAdmin):
    """What was measured, in which units."""

    list_display = ("name", "units", "slug", "project", "created_at", "archived_at")
    list_select_related = ("project",)
    search_fields = ("uuid", "project__slug")
    fields = (
        "name",
        "units",
        "slug",
        "uuid",
        "project",
        "created_at",
        "modified_at",
        "archived_at",
    )
