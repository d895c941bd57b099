"""Founding organizations, finding and changing them, and who may do what in them."""

from collections.abc import Callable, Collection
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Min, QuerySet

from bencher.db import transaction_required
from bencher.tenancy import slugs
from bencher.tenancy.models import Membership, Organization, Role, User

# Called in the founding's transaction: what else begins with an organization registers here.
Step = Callable[[Organization, datetime], None]
_steps: list[Step] = []


def register(step: Step) -> None:
    """Take a step in each founding."""
    if step not in _steps:
        _steps.append(step)


# They stand in the place of a slug in addresses of pages.
RESERVED_SLUGS = frozenset({"new"})


class SlugTakenError(Exception):
    """Another living organization has the slug, or this site itself."""

    def __init__(self, slug: str) -> None:
        by = "this site" if slug in RESERVED_SLUGS else "another organization"
        super().__init__(f"The slug {slug!r} is taken by {by}.")


def found(*, name: str, leader: User, now: datetime, slug: str = "") -> Organization:
    """Create an organization with its first leader; a slug that is taken gets a suffix."""
    with transaction.atomic():
        organization = Organization.objects.create(
            name=name,
            slug=slugs.free_slug(
                name,
                taken=_slug_is_taken,
                preferred=slug,
            ),
            created_at=now,
            modified_at=now,
        )
        Membership.objects.create(
            user=leader, organization=organization, role=Role.LEADER, created_at=now
        )
        begin(organization, now)
    return organization


@transaction_required
def begin(organization: Organization, now: datetime) -> None:
    """Take the steps that a new organization begins with."""
    for step in _steps:
        step(organization, now)


def change(
    organization: Organization, *, name: str | None, slug: str | None, now: datetime
) -> None:
    """Give an organization another name or slug; None leaves it. Raises SlugTakenError."""
    if slug in RESERVED_SLUGS and slug != organization.slug:
        raise SlugTakenError(slug)
    asked = {"name": name, "slug": slug}
    changes = {field: value for field, value in asked.items() if value is not None}
    for field, value in changes.items():
        setattr(organization, field, value)
    organization.modified_at = now
    try:
        with transaction.atomic():
            organization.save(update_fields=[*changes, "modified_at"])
    except IntegrityError as error:
        raise SlugTakenError(organization.slug) from error


def living() -> QuerySet[Organization]:
    """Return the organizations that are not deleted."""
    return Organization.objects.filter(deleted_at=None)


def of(user: User) -> "QuerySet[Organization]":
    """Return the organizations that a user belongs to."""
    return living().filter(memberships__user=user).order_by("name")


def role_in(organization: Organization, user: User) -> Role | None:
    """Return the user's role in an organization, None for strangers."""
    membership = Membership.objects.filter(organization=organization, user=user).first()
    return Role(membership.role) if membership else None


def claimed_at(organization_ids: Collection[int]) -> dict[int, datetime]:
    """Return since when somebody has a role in each organization; nobody has one in the others."""
    first = (
        Membership.objects.filter(organization_id__in=organization_ids)
        .values("organization_id")
        .annotate(first=Min("created_at"))
    )
    return {row["organization_id"]: row["first"] for row in first}


def find(identifier: str) -> Organization | None:
    """Return the organization with that UUID or slug, None where there is none."""
    return slugs.find(living(), identifier)


def _slug_is_taken(slug: str) -> bool:
    return slug in RESERVED_SLUGS or living().filter(slug=slug).exists()
