"""The staff's site: Django's admin with a front page that shows what runs and what waits."""

from collections.abc import Callable
from datetime import datetime
from functools import wraps
from itertools import chain
from typing import Any, Protocol, TypeVar, cast

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path

from bencher import clock
from bencher.readable_columns import NOTHING
from bencher.tenancy import second_factor

# What is looked for first comes first; the rest follows by name.
_FIRST = ("billing", "tenancy", "series", "ingest", "bencher", "account", "mfa", "auth")


_View = TypeVar("_View", bound=Callable[..., HttpResponseBase])


class Front(Protocol):
    """Returns what the front page shows to whom may view what."""

    def __call__(self, *, may_view: Callable[[str], bool], now: datetime) -> Any: ...


_fronts: list[Front] = []


def show_first(front: Front) -> None:
    """Let the front page begin with this: an app's tiles. The last one that was given counts."""
    _fronts[:] = [front]


class StaffSite(admin.AdminSite):
    """Everything that is stored, and above it how it is."""

    site_header = site_title = "Bencher staff"
    index_title = "How it is"
    index_template = "admin/front.html"
    # The tables need the width, and the front page has all of it.
    enable_nav_sidebar = False
    empty_value_display = NOTHING

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """Add the tiles by themselves, which the front page asks for again and again."""
        return [
            path("tiles/", self.admin_view(self.tiles), name="tiles"),
            *super().get_urls(),
        ]

    def has_permission(self, request: HttpRequest) -> bool:
        """Return whether somebody may enter: staff that has shown a second factor."""
        return super().has_permission(request) and second_factor.is_shown(request)

    def admin_view(self, view: _View, cacheable: bool = False) -> _View:
        """Put the page that says how to get a second factor before whoever has shown none."""
        entered = super().admin_view(view, cacheable)

        @wraps(entered)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if super(StaffSite, self).has_permission(request) and not self.has_permission(request):
                return _ask_for_factor(request)
            _refuse_nul(request)
            return entered(request, *args, **kwargs)

        return cast(_View, guarded)

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Send whoever is signed out to the page for all; Django's asks for no second factor."""
        if super().has_permission(request) and not self.has_permission(request):
            return _ask_for_factor(request)
        enter = secure_admin_login(super().login)  # type: ignore[no-untyped-call]
        return cast(HttpResponse, enter(request, extra_context))

    def password_change(  # type: ignore[override]
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Lead to the page for all, which confirms who it is and tells them by mail."""
        return redirect("account_change_password")

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        """Answer with the tiles, and below them everything that is stored."""
        return super().index(request, {"front": _front(request), **(extra_context or {})})

    def tiles(self, request: HttpRequest) -> HttpResponse:
        """Answer with the tiles as they are now."""
        return TemplateResponse(request, "admin/_tiles.html", {"front": _front(request)})

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Put our own apps first."""
        apps = super().get_app_list(request, app_label)
        return sorted(
            apps,
            key=lambda app: (
                _FIRST.index(app["app_label"]) if app["app_label"] in _FIRST else len(_FIRST)
            ),
        )


def _ask_for_factor(request: HttpRequest) -> HttpResponse:
    ways = second_factor.ways_to_show_it(request.user)
    return render(request, "admin/second_factor.html", {"ways": ways}, status=403)


def _refuse_nul(request: HttpRequest) -> None:
    """Raise BadRequest for a NUL, which PostgreSQL takes in no text."""
    given = (*request.GET.lists(), *request.POST.lists())
    if any("\0" in text for text in chain([request.path], *([name, *its] for name, its in given))):
        raise BadRequest("The address or the form has a character in it that nothing has.")


def _front(request: HttpRequest) -> object:
    return _fronts[0](may_view=request.user.has_perm, now=clock.now()) if _fronts else None
