"""The audit and the sandbox's clock, for staff."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.db.models import QuerySet
from django.http import HttpRequest

from bencher import changes
from bencher.models import Change, ClockOffset
from bencher.read_only_admin import ReadOnlyAdmin


@admin.register(ClockOffset)
class ClockOffsetAdmin(ReadOnlyAdmin):
    """How far the sandbox's clock has been moved."""

    list_display = ("id", "ahead")


class TableFilter(admin.SimpleListFilter):
    """Changes of one table."""

    title = "table"
    parameter_name = "relation"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the audited tables, without looking through what was changed."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger"
                " WHERE tgfoid = 'bencher_audit'::regproc ORDER BY 1"
            )
            return [(table, table) for (table,) in cursor.fetchall()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Change]) -> QuerySet[Change]:
        """Return the changes of the table that was chosen."""
        return queryset.filter(relation=self.value()) if self.value() else queryset


@admin.register(LogEntry)
class LogEntryAdmin(ReadOnlyAdmin):
    """What staff did, and which lists they took along."""

    list_display = ("action_time", "user", "content_type", "object_repr", "change_message")
    list_filter = ("content_type",)
    list_select_related = ("user", "content_type")
    search_fields = ("user__email",)
    ordering = ("-id",)
    raw_id_fields = ("user",)


@admin.register(Change)
class ChangeAdmin(ReadOnlyAdmin):
    """Who changed what, before and after, and why."""

    list_display = ("at", "who", "relation", "row", "kind", "columns", "why")
    list_filter = ("kind", TableFilter)
    list_select_related = ("user",)
    search_fields = ("=row", "=request")
    search_help_text = "The primary key of a row, or the id of a request."
    date_hierarchy = "at"
    ordering = ("-id",)
    raw_id_fields = ("user", "organization")

    @admin.display(description="who")
    def who(self, change: Change) -> str:
        """Say who made it."""
        return changes.who(change)

    @admin.display(description="before → after")
    def columns(self, change: Change) -> str:
        """Say what was changed."""
        return "; ".join(changes.columns(change))
