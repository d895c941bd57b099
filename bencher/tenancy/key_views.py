"""The page on which people make and revoke the API keys that act for them."""

from collections.abc import Iterable
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from bencher import clock
from bencher.tenancy import key_rows
from bencher.tenancy import keys as api_keys
from bencher.tenancy.access import SignedInRequest
from bencher.tenancy.key_forms import KeyForm
from bencher.tenancy.key_rows import KeyRow
from bencher.tenancy.models import UserKey

_READ_OR_POST = require_http_methods(["GET", "HEAD", "POST"])


@never_cache
@login_required
@_READ_OR_POST
def keys(request: SignedInRequest) -> HttpResponse:
    """List a person's keys; POST makes one and shows it in the answer, this once."""
    form = KeyForm(request.POST if request.method == "POST" else None)
    if not form.is_bound:
        return _page(request, form)
    if not form.is_valid():
        return _page(request, form, status=422)
    now = clock.now()
    key = UserKey(
        user=request.user,
        name=form.cleaned_data["name"],
        created_at=now,
        expires_at=api_keys.expiry(form.cleaned_data["ttl"], now=now),
    )
    text = api_keys.issue(key, api_keys.USER_PREFIX)
    return _page(request, KeyForm(), made=key, text=text)


@never_cache
@login_required
@_READ_OR_POST
def revoke(request: SignedInRequest, key: UUID) -> HttpResponse:
    """Say what revoking a key does; POST does it."""
    found = get_object_or_404(UserKey, uuid=key, user=request.user)
    if request.method == "POST":
        api_keys.revoke(found, now=clock.now())
        messages.success(request, f"The key {found.prefix}… is revoked: it opens nothing any more.")
        return redirect("keys")
    return render(request, "tenancy/key_revoke.html", {"key": _rows([found])[0]})


def _page(
    request: SignedInRequest,
    form: KeyForm,
    *,
    made: UserKey | None = None,
    text: str = "",
    status: int = 200,
) -> HttpResponse:
    living = UserKey.objects.filter(user=request.user, revoked_at=None).order_by("-created_at")
    context = {
        "form": form,
        "keys": _rows(living),
        "made": made,
        "text": text,
    }
    return render(request, "tenancy/key_list.html", context, status=status)


def _rows(keys: Iterable[UserKey]) -> list[KeyRow]:
    return key_rows.of(
        keys, now=clock.now(), revoke=lambda uuid: reverse("key-revoke", args=[uuid])
    )
