"""Whether somebody has a second factor, and whether this session was opened with it."""

from allauth.account.authentication import get_authentication_records
from allauth.mfa.models import Authenticator
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest

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
