"""Staff see the site as one of its people does, for a reason, without changing anything.

django-hijack keeps who is who in the session. Around it stand the verb, which asks for the reason
and leaves a row in the record, and a middleware that lets nothing be changed.
"""

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from http import HTTPMethod
from typing import Any, Final

from allauth.account.authentication import AUTHENTICATION_METHODS_SESSION_KEY
from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse, reverse_lazy
from django.utils.crypto import constant_time_compare
from hijack.views import AcquireUserView, ReleaseUserView

from bencher import auditing, clock, staff_log
from bencher.reasoned_action import Asked, Verb
from bencher.tenancy.models import User

PERMISSION: Final = "tenancy.impersonate_user"
# A browser that was left alone shows somebody's data no longer than that.
LONGEST_SECONDS: Final = 60 * 60
_SAFE: Final = frozenset({HTTPMethod.GET, HTTPMethod.HEAD, HTTPMethod.OPTIONS})
# What is remembered of who impersonates, in a session that is otherwise the impersonated one's.
_KEPT: Final = "impersonating"


class NotForImpersonatingError(Exception):
    """Nobody sees the site as this person does."""


def may(*, hijacker: User, hijacked: User) -> bool:
    """Return whether somebody may see the site as somebody else; members of staff never are."""
    return (
        hijacker.is_staff
        and hijacker.has_perm(PERMISSION)
        and hijacked.is_active
        and not (hijacked.is_staff or hijacked.is_superuser)
    )


def _foresee(user: User, _at: datetime, _values: Mapping[str, Any]) -> str:
    if user.is_staff or user.is_superuser:
        raise NotForImpersonatingError("Members of staff can't be impersonated.")
    if not user.is_active:
        raise NotForImpersonatingError("The account is switched off: nobody sees anything as it.")
    return f"You see the site as {user.email} does, and can change nothing until you stop."


def _act(user: User, asked: Asked) -> str:
    return _foresee(user, asked.at, asked.values)


class _Acquire(AcquireUserView):  # type: ignore[misc]
    """Takes the place of a user whom the verb has checked already, and whom no form names."""

    success_url = reverse_lazy("organizations")
    hijacked: User | None = None

    def get_object(self, queryset: Any = None) -> User | None:
        """Return whose place is taken."""
        return self.hijacked

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Leave out the look at the form."""
        response: HttpResponse = super(AcquireUserView, self).dispatch(request, *args, **kwargs)
        return response


def begin(request: HttpRequest, user: User) -> HttpResponse:
    """Go on as another user; what was confirmed in this session waits for its return."""
    assert isinstance(request.user, User)
    kept = {
        # Its name begins both keys of allauth: what was shown, and by whom.
        "shown": {
            key: value
            for key, value in request.session.items()
            if key.startswith(AUTHENTICATION_METHODS_SESSION_KEY)
        },
        "hash": request.user.get_session_auth_hash(),
        # Unix time: the site's own clock may have been moved.
        "begun": time.time(),
    }
    response: HttpResponse = _Acquire.as_view(hijacked=user)(request)
    request.session[_KEPT] = kept
    return response


VERB: Final = Verb(
    name="impersonate",
    permission=PERMISSION,
    description="See the site as they do",
    consequence="You see what this person sees, also what is private. Nothing can be changed"
    " meanwhile. That you looked, when and why is kept for good.",
    foresee=_foresee,
    act=_act,
    anticipated=(NotForImpersonatingError,),
    then=begin,
)


class Stop(ReleaseUserView):  # type: ignore[misc]
    """Goes back to being oneself."""

    success_url = reverse_lazy("admin:tenancy_user_changelist")

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Return to the staff's pages, and note that it has ended."""
        kept, seen = request.session[_KEPT], User.objects.get(pk=request.session["_auth_user_id"])
        response: HttpResponse = super().post(request, *args, **kwargs)
        del request.session["hijack_history"]
        request.session.update(kept["shown"])
        assert isinstance(request.user, User)
        with auditing.context(user=request.user.pk, program=VERB.name):
            staff_log.write(
                seen, by=request.user, at=clock.now(), said=f"{VERB.description}: stopped."
            )
        return response


stop = Stop.as_view()


def read_only(get_response: Callable[[HttpRequest], HttpResponse]) -> Any:
    """Return the middleware that lets who impersonates look, and do nothing."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if not _is_under_way(request):
            return get_response(request)
        if not _goes_on(request):
            logout(request)
            return redirect("sign-in")
        if request.method in _SAFE or request.path == reverse("stop-impersonating"):
            return get_response(request)
        return render(request, "tenancy/impersonation_refused.html", status=403)

    return middleware


def _is_under_way(request: HttpRequest) -> bool:
    # Without the cookie the session is left alone: CI sends none.
    has_session = settings.SESSION_COOKIE_NAME in request.COOKIES
    return has_session and bool(request.session.get("hijack_history"))


def _goes_on(request: HttpRequest) -> bool:
    """Tell whether who began it still could: no new password, the right kept, an hour not over."""
    (pk,) = request.session["hijack_history"]
    by = User.objects.filter(pk=pk, is_active=True).first()
    seen = request.user
    kept = request.session[_KEPT]
    return (
        # Nobody, once the account that is seen was switched off.
        isinstance(seen, User)
        and by is not None
        and constant_time_compare(kept["hash"], by.get_session_auth_hash())
        and time.time() - kept.get("begun", 0) < LONGEST_SECONDS
        and may(hijacker=by, hijacked=seen)
    )
