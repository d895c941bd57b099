"""Admin pages for rows that staff may look at and nobody may touch."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest

if TYPE_CHECKING:
    AnyAdmin = admin.ModelAdmin[Any]
    AnyInline = admin.TabularInline[Any, Any]
else:  # Only the type checker knows them as generic.
    AnyAdmin, AnyInline = admin.ModelAdmin, admin.TabularInline


class _Untouchable:
    def has_add_permission(self, request: HttpRequest, *_: Any) -> bool:
        """Refuse: rows are made by the system."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: rows are changed by the system, if at all."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: rows are kept."""
        return False


class ReadOnlyAdmin(_Untouchable, AnyAdmin):
    """Lists and shows rows; neither adds nor changes nor deletes them."""

    # One count for the page numbers is enough; a second one of the whole table is not.
    show_full_result_count = False
    list_per_page = 50


class ReadOnlyInline(_Untouchable, AnyInline):
    """Shows the few rows that belong to another one."""

    extra = 0
    show_change_link = True
