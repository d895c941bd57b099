"""Founding organizations, and who may do what in them."""

from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from bencher.tenancy import slugs
from bencher.tenancy.models import Membership, Organization, Role, User


def found(*, name: str, leader: User, now: datetime) -> Organization:
    """Create an organization with its first leader."""
    taken = Organization.objects.filter
    with transaction.atomic():
        organization = Organization.objects.create(
            name=name,
            slug=slugs.free_slug(name, taken=lambda slug: taken(slug=slug).exists()),
            created_at=now,
            modified_at=now,
        )
        Membership.objects.create(
            user=leader, organization=organization, role=Role.LEADER, created_at=now
        )
    return organization


def of(user: User) -> "QuerySet[Organization]":
    """Return the organizations that a user belongs to."""
    return Organization.objects.filter(memberships__user=user, deleted_at=None).order_by("name")


def role_in(organization: Organization, user: User) -> Role | None:
    """Return the user's role in an organization, None for strangers."""
    membership = Membership.objects.filter(organization=organization, user=user).first()
    return Role(membership.role) if membership else None


def find(identifier: str) -> Organization | None:
    """Return the organization with that UUID or slug, None where there is none."""
    living = Organization.objects.filter(deleted_at=None)
    return (
        living.filter(uuid=as_uuid).first() if (as_uuid := slugs.uuid_of(identifier)) else None
    ) or living.filter(slug=identifier).first()
