"""Refreshing a part of a page in place, as htmx does."""

from collections.abc import Callable
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import resolve_url
from django_htmx.http import HttpResponseClientRefresh


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
        if request.headers.get("HX-Request") == "true" and _leads_to_sign_in(response):
            return HttpResponseClientRefresh()
        return response


def _leads_to_sign_in(response: HttpResponse) -> bool:
    return isinstance(response, HttpResponseRedirect) and (
        urlsplit(response.url).path == resolve_url(settings.LOGIN_URL)
    )
