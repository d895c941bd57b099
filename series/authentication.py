"""Who calls the API: project keys."""

from django.contrib.auth.models import AnonymousUser
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from bencher import clock
from bencher.tenancy import keys
from bencher.tenancy.authentication import bearer
from series.models import ProjectKey


class ProjectKeyAuthentication(BaseAuthentication):
    """Authenticates a project by one of its keys. Raises 401 for a key that is not alive."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, ProjectKey] | None:
        """Return nobody and the key, or None where the credential is of another kind."""
        text = bearer(request)
        if text is None or not text.startswith(keys.PROJECT_PREFIX):
            return None
        key = keys.find(
            ProjectKey, text, now=clock.now(), related=("project", "project__organization")
        )
        if key is None:
            raise AuthenticationFailed("This project key is unknown, revoked or expired.")
        return AnonymousUser(), key

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge that makes DRF answer 401 and not 403."""
        return "Bearer"
