"""Whether a part of a page is enough: for htmx, which puts it in place of the old one."""

from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails


def is_enough(request: HttpRequest) -> bool:
    """Tell whether only a part was asked for; a page that is restored from history is whole."""
    htmx = HtmxDetails(request)
    return bool(htmx) and not htmx.boosted and not htmx.history_restore_request
