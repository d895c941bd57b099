"""Staff actions that need a reason: a page asks for it, and one domain verb is called with it."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.contrib.auth.models import AbstractBaseUser
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

MAX_LENGTH = 300

# Given a row, who asks and why: does it and says what was done.
Act = Callable[[Any, AbstractBaseUser, str], str]


def action(
    *, description: str, consequence: str, act: Act, anticipated: tuple[type[Exception], ...]
) -> Callable[[Any, HttpRequest, QuerySet[Any]], HttpResponse | None]:
    """Return an admin action that asks for a reason and then acts on each row that was picked.

    `consequence` says beforehand what will happen. What is anticipated is shown as an error, and
    the other rows go on.
    """

    @admin.action(description=description, permissions=["view"])
    def run(model_admin: Any, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        reason = request.POST.get("reason", "").strip()
        if not request.user.is_superuser:
            messages.error(request, "Only superusers may do that.")
            return None
        if not reason or len(reason) > MAX_LENGTH:
            return _ask(model_admin, request, queryset, description, consequence)
        for row in queryset:
            try:
                messages.success(request, f"{row}: {act(row, request.user, reason)}")
            except anticipated as error:
                messages.error(request, f"{row}: {error}")
        return None

    run.__name__ = act.__name__.strip("_")
    return run


def _ask(
    model_admin: Any,
    request: HttpRequest,
    queryset: QuerySet[Any],
    description: str,
    consequence: str,
) -> HttpResponse:
    return TemplateResponse(
        request,
        "admin/give_reason.html",
        {
            **model_admin.admin_site.each_context(request),
            "title": description,
            "consequence": consequence,
            "rows": queryset,
            "action": request.POST["action"],
            "action_checkbox_name": helpers.ACTION_CHECKBOX_NAME,
            "max_length": MAX_LENGTH,
            "opts": model_admin.model._meta,
        },
    )
