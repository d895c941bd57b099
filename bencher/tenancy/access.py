"""Which organization a signed-in person or a user key may act for.

Strangers are told that there is no such organization; members, that they would have to be leaders.
"""

from typing import NamedTuple

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest

from bencher.tenancy import organizations
from bencher.tenancy.models import Organization, Role, User


class SignedInRequest(HttpRequest):
    """A request behind `login_required`."""

    user: User


class Joined(NamedTuple):
    """An organization as one of its people sees it."""

    organization: Organization
    leads: bool


def joined_by(user: User, identifier: str) -> Joined:
    """Return the organization with that slug or UUID, for one of its people.

    Raises Http404 for strangers.
    """
    organization = organizations.find(identifier)
    role = organizations.role_in(organization, user) if organization else None
    if organization is None or role is None:
        raise Http404(f"There is no organization {identifier!r}, or you are not one of its people.")
    return Joined(organization, leads=role is Role.LEADER)


def led_by(user: User, identifier: str, *, what: str = "Plan and usage") -> Organization:
    """Return the organization with that slug or UUID, for one of its leaders.

    Raises Http404 for strangers and PermissionDenied for members, saying `what` is for leaders.
    """
    organization, leads = joined_by(user, identifier)
    if not leads:
        raise PermissionDenied(
            f"{what} of {organization.name} are for its leaders, and you are a member."
            " Ask a leader to look, or to make you a leader too."
        )
    return organization
