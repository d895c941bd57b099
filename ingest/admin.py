"""Reports and branches, for staff."""

from django.contrib import admin

from bencher.read_only_admin import ReadOnlyAdmin
from ingest.models import Branch, Report


@admin.register(Report)
class ReportAdmin(ReadOnlyAdmin):
    """Reports, newest first. What they measured is on the site, not here."""

    list_display = (
        "uuid",
        "organization",
        "project",
        "testbed",
        "seen_at",
        "received_at",
        "deleted_at",
    )
    list_filter = ("adapter",)
    list_select_related = ("organization", "project", "testbed")
    search_fields = ("uuid", "organization__slug", "project__slug")
    sortable_by = ()
    fields = (
        "uuid",
        "organization",
        "project",
        "user",
        "head",
        "version",
        "testbed",
        "adapter",
        "start_time",
        "end_time",
        "received_at",
        "seen_at",
        "idempotency_key",
        "deleted_at",
    )


@admin.register(Branch)
class BranchAdmin(ReadOnlyAdmin):
    """Branches."""

    list_display = ("name", "slug", "project", "created_at", "archived_at")
    list_select_related = ("project",)
    search_fields = ("uuid", "project__slug")
    fields = ("name", "slug", "uuid", "project", "created_at", "modified_at", "archived_at")
