"""Who belongs to an organization: adding people, changing their roles, removing them."""

import re
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from bencher.db import transaction_required
from bencher.tenancy import slugs
from bencher.tenancy.models import Membership, Organization, Role, User

# What Bencher takes for a user's name.
_NOT_IN_A_USER_NAME = re.compile(r"[^0-9A-Za-z ,.'-]+")


class AlreadyMemberError(Exception):
    """The person belongs to the organization already."""

    def __init__(self, email: str, organization: Organization) -> None:
        super().__init__(f"{email} belongs to {organization.slug} already; change the role there.")


class LastLeaderError(Exception):
    """Without this leader nobody could manage the organization."""

    def __init__(self, organization: Organization) -> None:
        super().__init__(
            f"This is the last leader of {organization.slug}: make somebody else a leader first,"
            " or delete the organization."
        )


def of(organization: Organization) -> QuerySet[Membership]:
    """Return the memberships of an organization, with their users."""
    return Membership.objects.filter(organization=organization).select_related("user")


def find(organization: Organization, identifier: str) -> Membership | None:
    """Return the membership of the user with that UUID or slug, None where there is none."""
    user = slugs.find(User.objects.filter(memberships__organization=organization), identifier)
    return of(organization).get(user=user) if user else None


def add(
    organization: Organization, *, email: str, name: str | None, role: Role, now: datetime
) -> Membership:
    """Make the person with that address a member, at once. Raises AlreadyMemberError.

    An address that nobody has gets an account without a password, so that nobody can sign in to
    it before its owner has set one.
    """
    try:
        with transaction.atomic():
            user = User.objects.filter(email=email.lower()).first() or User.objects.create_user(
                email, name=name or _name_from(email), password=None, now=now
            )
            return join(organization, user, role=role, now=now)
    except IntegrityError as error:
        raise AlreadyMemberError(email, organization) from error


def join(organization: Organization, user: User, *, role: Role, now: datetime) -> Membership:
    """Make a user a member. Raises AlreadyMemberError."""
    try:
        with transaction.atomic():
            return Membership.objects.create(
                user=user, organization=organization, role=role, created_at=now
            )
    except IntegrityError as error:
        raise AlreadyMemberError(user.email, organization) from error


def change_role(membership: Membership, role: Role, *, now: datetime) -> None:
    """Give a member another role. Raises LastLeaderError."""
    if membership.role == role:
        return
    with transaction.atomic():
        if role is not Role.LEADER:
            _check_not_last(membership)
        membership.role = role
        membership.modified_at = now
        membership.save(update_fields=["role", "modified_at"])


def remove(membership: Membership) -> None:
    """Take somebody out of an organization. Raises LastLeaderError."""
    with transaction.atomic():
        _check_not_last(membership)
        membership.delete()


@transaction_required
def _check_not_last(membership: Membership) -> None:
    # Locked: two leaders who leave at the same moment would each count on the other.
    leaders = (
        of(membership.organization)
        .filter(role=Role.LEADER, user__is_active=True)
        .order_by("pk")
        .select_for_update(of=("self",))
    )
    if {leader.pk for leader in leaders} == {membership.pk}:
        raise LastLeaderError(membership.organization)


def _name_from(email: str) -> str:
    local, _, _ = email.partition("@")
    return _NOT_IN_A_USER_NAME.sub(" ", local).strip()[:64].strip() or "User"
