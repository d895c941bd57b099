"""Which organization an API caller may act on, and how a refusal is worded.

Organizations do not exist for outsiders (404); members who would have to be leaders are told so.
"""

from rest_framework.exceptions import NotAuthenticated, NotFound, PermissionDenied
from rest_framework.request import Request

from bencher.tenancy import organizations
from bencher.tenancy.models import Organization, User
from bencher.tenancy.permissions import EVERYTHING, IN_ORGANIZATION, Permission


def user(request: Request) -> User:
    """Return the calling user. Raises 401 without a key and 403 for a project key."""
    if isinstance(request.user, User):
        return request.user
    if request.auth is None:
        raise NotAuthenticated("Send a user key: Authorization: Bearer bencher_user_…")
    raise PermissionDenied("A project key only reports to its project; use a user key here.")


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
    if caller.is_staff:
        return EVERYTHING
    role = organizations.role_in(organization, caller)
    return IN_ORGANIZATION[role] if role else frozenset()
