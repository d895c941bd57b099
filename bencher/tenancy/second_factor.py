"""Whether somebody has a second factor, and what was shown in this session, and when."""

import time
from typing import Final
from urllib.parse import urlencode

from allauth.account.adapter import get_adapter
from allauth.account.authentication import get_authentication_records
from allauth.mfa.models import Authenticator
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponseRedirect
from django.shortcuts import redirect

# How long password or code are good for what moves money.
LASTING_SECONDS: Final = 10 * 60

_SHOWN: Final = "second_factor_is_shown"
# Recovery codes only stand in for one of these.
_FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)


def is_enrolled(user: AbstractBaseUser | AnonymousUser) -> bool:
    """Return whether a user is asked for a second factor when signing in."""
    return (
        user.is_authenticated
        and Authenticator.objects.filter(user_id=user.pk, type__in=_FACTORS).exists()
    )


def passed_in(request: HttpRequest) -> bool:
    """Return whether this session's user has shown a second factor, or a recovery code, in it."""
    if not request.user.is_authenticated:
        return False
    return any(
        record.get("method") == "mfa"
        for record in get_authentication_records(request, request.user)
    )


def is_shown(request: HttpRequest) -> bool:
    """Return whether this session's user has a second factor and has shown it in the session.

    Asked once in a request, for the staff's pages ask again and again.
    """
    known: bool | None = getattr(request, _SHOWN, None)
    if known is None:
        known = passed_in(request) and is_enrolled(request.user)
        setattr(request, _SHOWN, known)
    return known


def ways_to_show_it(user: AbstractBaseUser | AnonymousUser) -> list[dict[str, str]]:
    """Return the pages on which a user can show a second factor; none for who has none."""
    if not is_enrolled(user):
        return []
    ways = get_adapter().get_reauthentication_methods(user)
    return [way for way in ways if way["id"].startswith("mfa_reauthenticate")]


def ask_again(request: HttpRequest) -> HttpResponseRedirect:
    """Lead to the page that asks for password or code, and from there back to this address.

    What was posted is not kept, as allauth would, for there may be a new password in it.
    """
    way = get_adapter().get_reauthentication_methods(request.user)[0]
    return redirect(f"{way['url']}?{urlencode({REDIRECT_FIELD_NAME: request.get_full_path()})}")


def confirmed_lately(request: HttpRequest) -> bool:
    """Return whether a password, code or passkey was shown in the last LASTING_SECONDS."""
    if not request.user.is_authenticated:
        return False
    # As allauth notes them, in Unix time: the site's own clock may have been moved.
    shown = [record["at"] for record in get_authentication_records(request, request.user)]
    return bool(shown) and time.time() - max(shown) < LASTING_SECONDS
