"""The audit and the sandbox's clock, for staff."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.text import capfirst

from bencher import changes
from bencher.models import Change, ClockOffset
from bencher.read_only_admin import ReadOnlyAdmin


@admin.register(ClockOffset)
class ClockOffsetAdmin(ReadOnlyAdmin):
    """How far the sandbox's clock has been moved."""

    list_display = ("id", "ahead")


class TableFilter(admin.SimpleListFilter):
    """Changes of one table."""

    title = "of what"
    parameter_name = "relation"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the audited tables, without looking through what was changed."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger"
                " WHERE tgfoid = 'bencher_audit'::regproc ORDER BY 1"
            )
            found = ((table, changes.named(table)) for (table,) in cursor.fetchall())
            return sorted(found, key=lambda choice: choice[1])

    def queryset(self, request: HttpRequest, queryset: QuerySet[Change]) -> QuerySet[Change]:
        """Return the changes of the table that was chosen."""
        return queryset.filter(relation=self.value()) if self.value() else queryset


@admin.register(LogEntry)
class LogEntryAdmin(ReadOnlyAdmin):
    """What staff did, and which lists they took along."""

    list_display = ("action_time", "user", "of_what", "said")
    list_filter = ("content_type",)
    list_select_related = ("user", "content_type")
    search_fields = ("user__email",)
    ordering = ("-id",)
    raw_id_fields = ("user",)

    @admin.display(description="of what")
    def of_what(self, entry: LogEntry) -> str:
        """Say which row it was done to, or whose list was taken along."""
        kind = capfirst(entry.content_type.name) if entry.content_type else ""
        return ": ".join(part for part in (kind, entry.object_repr) if part)

    @admin.display(description="what was done, and why")
    def said(self, entry: LogEntry) -> str:
        """Say what was done."""
        return entry.get_change_message()


@admin.register(Change)
class ChangeAdmin(ReadOnlyAdmin):
    """Who changed what, before and after, and why."""

    list_display = ("at", "who", "of_what", "row", "kind", "columns", "why")
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

    @admin.display(description="of what")
    def of_what(self, change: Change) -> str:
        """Say of what it was a change, in the words for such a row."""
        return changes.of_what(change)

    @admin.display(description="before → after")
    def columns(self, change: Change) -> str:
        """Say what was changed."""
        return "; ".join(changes.columns(change))
