"""Admin pages for rows that staff may look at and nobody may touch."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse

from bencher.reasoned_action import is_permitted, verb_of

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
    change_form_template = "admin/read_only_change_form.html"

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show the row, and what may be done to it."""
        acts = [verb for found in self.get_actions(request).values() if (verb := verb_of(found[0]))]
        return super().change_view(
            request, object_id, form_url, {"acts": acts, **(extra_context or {})}
        )

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Offer the verbs that somebody is permitted."""
        offered = super().get_actions(request)
        verbs = {name: found and verb_of(found[0]) for name, found in offered.items()}
        return {
            name: found
            for name, found in offered.items()
            if (verb := verbs[name]) is None or is_permitted(request, verb)
        }


class ReadOnlyInline(_Untouchable, AnyInline):
    """Shows the few rows that belong to another one."""

    extra = 0
    show_change_link = True
