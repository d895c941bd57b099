"""Which organization an API caller may act on, and how a refusal is worded.

Organizations do not exist for outsiders (404); members who would have to be leaders are told so.
"""

from rest_framework.authentication import SessionAuthentication
from rest_framework.exceptions import NotAuthenticated, NotFound, PermissionDenied
from rest_framework.request import Request
from rest_framework.views import APIView

from bencher.errors import ApiError
from bencher.tenancy import organizations
from bencher.tenancy.models import Organization, User
from bencher.tenancy.permissions import EVERYTHING, IN_ORGANIZATION, Permission

# For keys alone: what a key may not do to keys, its user does signed in in a browser, and then
# every writing request must carry the CSRF token.
KEYS_AND_SESSIONS = (*APIView.authentication_classes, SessionAuthentication)


def user(request: Request) -> User:
    """Return the calling user. Raises 401 without a key and 403 for a project key."""
    if isinstance(request.user, User):
        return request.user
    if request.auth is None:
        raise NotAuthenticated("Send a user key: Authorization: Bearer bencher_user_…")
    raise PermissionDenied("A project key only reports to its project; use a user key here.")


def check_may_mint(request: Request) -> None:
    """Refuse whoever calls with a key: revoking it must end all that came of it. Raises 403."""
    if request.auth is not None:
        raise PermissionDenied("A key must not mint keys; sign in in a browser to make one.")


def permission(name: str) -> Permission:
    """Return the permission of that name. Raises 400."""
    try:
        return Permission(name)
    except ValueError:
        known = ", ".join(Permission)
        raise ApiError(400, f"There is no permission {name!r}; there are {known}.") from None


def organization(request: Request, identifier: str, permission: Permission) -> Organization:
    """Return the organization with that UUID or slug, if the calling user may do that to it.

    Raises NotFound, NotAuthenticated (401) and PermissionDenied.
    """
    caller = user(request)
    found = organizations.find(identifier)
    allowed = permissions(caller, found) if found else frozenset()
    if found is None or Permission.VIEW not in allowed:
        raise NotFound(
            f"There is no organization {identifier!r}, or you are not one of its people."
        )
    if permission not in allowed:
        raise PermissionDenied(f"Only a leader of {found.slug} may {permission.replace('_', ' ')}.")
    return found


def permissions(caller: User, organization: Organization) -> frozenset[Permission]:
    """Return everything that a user may do to an organization."""
    if caller.is_superuser:
        return EVERYTHING
    role = organizations.role_in(organization, caller)
    return IN_ORGANIZATION[role] if role else frozenset()
