"""Admin lists that stay fast however long they are, and rows that nobody may touch."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.filters import SimpleListFilter
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import PAGE_VAR, ChangeList
from django.core.exceptions import BadRequest, PermissionDenied, ValidationError
from django.db.models import Field, Model, QuerySet
from django.db.models.constants import LOOKUP_SEP
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import URLPattern, path
from django.utils.decorators import method_decorator
from django.utils.text import capfirst
from django.views.decorators.http import require_safe
from django_guid import get_guid

from bencher import (
    auditing,
    clock,
    list_export,
    prefix_search,
    readable_columns,
    spreadsheets,
    staff_log,
)
from bencher.capped_paginator import CappedPaginator
from bencher.reasoned_action import is_permitted, verb_of
from bencher.tenancy.models import User

# How the filters beside a list ask, and how the dates above it do.
_FILTERED_BY = ("", "__exact", "__isnull", "__isempty", "__id__exact")
_DATED_BY = ("__year", "__month", "__day", "__gte", "__lt")

if TYPE_CHECKING:
    AnyAdmin = admin.ModelAdmin[Any]
    AnyInline = admin.TabularInline[Any, Any]
else:  # Only the type checker knows them as generic.
    AnyAdmin, AnyInline = admin.ModelAdmin, admin.TabularInline


class PreparedList(ChangeList):
    """Lets its admin look up together what its rows show beside their own columns."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Not "Select plan to view": there is a list, and one may just read it.
        self.title = capfirst(str(self.opts.verbose_name_plural))

    def get_results(self, request: HttpRequest) -> None:
        """Prepare the rows of the page."""
        super().get_results(request)
        self.result_list = list(self.result_list)
        lists: Any = self.model_admin
        lists.prepare(self.result_list)

    def get_filters(self, request: HttpRequest) -> Any:
        """Return the filters. Raises IncorrectLookupParameters for a date that does not exist."""
        try:
            return super().get_filters(request)
        except (ValueError, OverflowError) as error:
            raise IncorrectLookupParameters(error) from error


class _Readable:
    """Shows columns as people read them."""

    model: type[Model]
    # Columns whose numbers count nothing.
    identifying: tuple[str, ...] = ()

    def readable(self, name: Any, *, in_list: bool = False) -> Any:
        """Return a column as people read it; the same for the same name, which Django relies on."""
        known: dict[tuple[Any, bool], Any] = self.__dict__.setdefault("_readable", {})
        if (name, in_list) not in known:
            known[name, in_list] = readable_columns.readable(
                self.model, name, write=self.write, identifying=self.identifying, in_list=in_list
            )
        return known[name, in_list]

    def write(self, row: Any, field: "Field[Any, Any]") -> str | None:
        """Return how a value is written where only its app knows, as for money; else None."""
        return None


class LongListAdmin(_Readable, AnyAdmin):
    """A list that counts no further than it must, is searched by an index, and can be exported.

    `search_fields` are columns with an index; the text decides which of them: `prefix_search`.
    """

    # One count for the page numbers is enough; a second one of the whole table is not.
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = CappedPaginator
    list_per_page = 50
    # Columns that links of ours lead by, beside those that the list offers to filter by.
    linked_by: tuple[str, ...] = ()
    change_list_template = "admin/long_change_list.html"
    change_form_template = "admin/acting_change_form.html"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Say beside the search box what can be searched for."""
        super().__init_subclass__(**kwargs)
        kinds = prefix_search.kinds_of(map(str, cls.search_fields))
        cls.search_help_text = f"From its beginning: {', '.join(kinds)}" if kinds else ""

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Keep the rows that the text finds; none where no column can hold such a text."""
        text = search_term.strip()
        if not text:
            return queryset, False
        rows = self.model._default_manager.order_by()
        found = [
            rows.filter(**lookup).values("pk")
            for lookup in prefix_search.lookups(text, self.search_fields)
        ]
        if not found:
            return queryset.none(), False
        # By key: a join to many rows neither repeats one nor hides the index.
        return queryset.filter(pk__in=found[0].union(*found[1:]) if found[1:] else found[0]), False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Allow what the list offers: any other filter would tell what the pages do not show.

        Django allows every column of the model. What is none has no effect, and is left to it.
        """
        if lookup in self._offered():
            return True
        names = {field.name for field in self.opts.get_fields()}
        return lookup.partition(LOOKUP_SEP)[0] not in names | {"pk"}

    def _offered(self) -> set[str]:
        filters = [one[0] if isinstance(one, tuple) else one for one in self.list_filter]
        columns = [str(one) for one in (*filters, *self.linked_by) if not isinstance(one, type)]
        offered = {f"{column}{how}" for column in columns for how in _FILTERED_BY}
        # A filter of our own may be called as a column is.
        own = (one for one in filters if isinstance(one, type))
        offered |= {str(one.parameter_name) for one in own if issubclass(one, SimpleListFilter)}
        if self.date_hierarchy:
            offered |= {f"{self.date_hierarchy}{how}" for how in _DATED_BY}
        return offered

    def response_action(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Do what was asked for. Raises BadRequest for rows that can't be any."""
        try:
            for chosen in request.POST.getlist(ACTION_CHECKBOX_NAME):
                self.opts.pk.to_python(chosen)
        except ValidationError as error:
            raise BadRequest("The form names rows that do not exist.") from error
        return super().response_action(request, *args, **kwargs)

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """Show numbers and JSON as people read them."""
        return [self.readable(name, in_list=True) for name in super().get_list_display(request)]

    def prepare(self, rows: list[Any]) -> None:
        """Look up together what these rows show beside their own columns."""

    def get_changelist(self, request: HttpRequest, **_: Any) -> type[ChangeList]:
        """Use a list that prepares its rows."""
        return PreparedList

    def get_urls(self) -> list[URLPattern]:
        """Add the export of the list."""
        name = f"{self.opts.app_label}_{self.opts.model_name}_export"
        own = [path("export/", self.admin_site.admin_view(self.export), name=name)]
        return own + super().get_urls()

    @method_decorator(require_safe)
    def export(self, request: HttpRequest) -> StreamingHttpResponse:
        """Answer with the list as CSV, with the filters, search and order of the address."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        # The page that was looked at is none of its filters.
        query = request.GET.copy()
        query.pop(PAGE_VAR, None)
        request.GET = query  # type: ignore[assignment]
        try:
            rows = self.get_changelist_instance(request).get_queryset(request)
        except IncorrectLookupParameters as error:
            raise BadRequest("The address names a filter that this list does not have.") from error
        assert isinstance(request.user, User)
        with auditing.context(user=request.user.pk, request=get_guid(), program="export"):
            staff_log.write_of_list(
                self.model, by=request.user, at=clock.now(), said=list_export.described(query)
            )
        columns = [readable_columns.name_of(one) for one in self.get_list_display(request)]
        return StreamingHttpResponse(
            list_export.csv(self, columns, rows),
            content_type=spreadsheets.CSV_TYPE,
            headers={
                "Content-Disposition": f'attachment; filename="{self.opts.model_name}.csv"',
                "Cache-Control": "no-store",
            },
        )

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show the row under its kind, and what may be done to it."""
        acts = [verb for found in self.get_actions(request).values() if (verb := verb_of(found[0]))]
        title = capfirst(str(self.opts.verbose_name))
        return super().change_view(
            request, object_id, form_url, {"acts": acts, "title": title, **(extra_context or {})}
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


class ReadOnlyAdmin(_Untouchable, LongListAdmin):
    """Lists and shows rows; neither adds nor changes nor deletes them."""

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Show each column as people read it."""
        return [self.readable(name) for name in super().get_fields(request, obj)]


class ReadOnlyInline(_Untouchable, _Readable, AnyInline):
    """Shows the few rows that belong to another one."""

    extra = 0
    show_change_link = True

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Show each column as people read it."""
        return [self.readable(name) for name in super().get_fields(request, obj)]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Make none of them a field of a form."""
        return self.get_fields(request, obj)
