"""Who calls the API: bearer keys of users."""

from typing import TYPE_CHECKING

from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from bencher import auditing, clock
from bencher.tenancy import keys
from bencher.tenancy.models import User, UserKey

if TYPE_CHECKING:  # DRF is still loading its views when it loads this module.
    from rest_framework.views import APIView


def bearer(request: Request) -> str | None:
    """Return the bearer credential of a request, or None where it carries none."""
    scheme, _, credential = get_authorization_header(request).decode("latin-1").partition(" ")
    if scheme.lower() != "bearer":
        return None
    return credential.strip()


class UserKeyAuthentication(BaseAuthentication):
    """Authenticates a user by one of their keys. Raises 401 for a key that is not alive."""

    def authenticate(self, request: Request) -> tuple[User, UserKey] | None:
        """Return the user and the key, or None where the credential is of another kind."""
        text = bearer(request)
        if text is None or not text.startswith(keys.USER_PREFIX):
            return None
        key = keys.find(UserKey, text, now=clock.now(), related=("user",))
        if key is None or not key.user.is_active:
            raise AuthenticationFailed("This user key is unknown, revoked or expired.")
        auditing.add(user=key.user.pk)
        return key.user, key

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge that makes DRF answer 401 and not 403."""
        return "Bearer"


class UnknownBearer(BaseAuthentication):
    """Comes last: a bearer credential that nobody recognized is refused, never ignored."""

    def authenticate(self, request: Request) -> None:
        """Raise 401 if the request carries a bearer credential."""
        if bearer(request) is not None:
            raise AuthenticationFailed(
                f"This credential is no key of ours; keys begin with {keys.PROJECT_PREFIX} or"
                f" {keys.USER_PREFIX}."
            )

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge that makes DRF answer 401 and not 403."""
        return "Bearer"


class HasCredential(BasePermission):
    """Lets in whoever a key stands for, be it a user or a project; 401 for everybody else."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """Tell whether the request carries a live key."""
        return request.auth is not None
