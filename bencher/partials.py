"""Parts of pages, which htmx asks for and puts in place of the old ones."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from django import shortcuts
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.cache import patch_vary_headers
from django_htmx.http import HttpResponseClientRefresh
from django_htmx.middleware import HtmxDetails


def render(request: HttpRequest, context: dict[str, Any], *, page: str, part: str) -> HttpResponse:
    """Return the page, or its part alone where that is enough.

    A page that the browser restores from its history is whole.
    """
    htmx = HtmxDetails(request)
    is_enough = bool(htmx) and not htmx.boosted and not htmx.history_restore_request
    response = shortcuts.render(request, part if is_enough else page, context)
    patch_vary_headers(response, ["HX-Request", "HX-Boosted", "HX-History-Restore-Request"])
    return response


class ReloadWhenSignedOut:
    """Let the browser load the whole page again where a part of it needs a new sign-in.

    Otherwise htmx would follow the redirect, find no such part on the sign-in page, and leave a
    hole in the page.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Return the response, or a reload in place of a redirect to the sign-in page."""
        response = self._get_response(request)
        if HtmxDetails(request) and _leads_to_sign_in(response):
            return HttpResponseClientRefresh()
        return response


def _leads_to_sign_in(response: HttpResponse) -> bool:
    return isinstance(response, HttpResponseRedirect) and (
        urlsplit(response.url).path == shortcuts.resolve_url(settings.LOGIN_URL)
    )
