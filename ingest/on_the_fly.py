"""Projects that a run makes by reporting to them, and claiming those that nobody has yet.

A project made by nobody gets an organization of its own with the same UUID, name and slug.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from django.db import IntegrityError, transaction

from bencher.db import transaction_required
from bencher.tenancy import organizations, slugs
from bencher.tenancy.models import Membership, Organization, Role, User
from series import projects
from series.models import Project, ProjectChange, Visibility


class ProjectTakenError(Exception):
    """Another run made or claimed the project at the same moment."""


@dataclass(frozen=True, slots=True)
class NewProject:
    """A project to be made with its first report; without organization it is unclaimed."""

    name: str
    slug: str
    organization: Organization | None
    by: User | None


@transaction_required
def make(new: NewProject, *, now: datetime) -> Project:
    """Make the project, public as Bencher does. Raises ProjectTakenError."""
    if new.organization is None:
        return _unclaimed(new, now=now)
    try:
        project = _add(new, new.organization, name=new.name, now=now)
    except projects.TakenError:
        # Two projects of an organization need two names, and the slug is no other project's.
        try:
            project = _add(new, new.organization, name=new.slug, now=now)
        except projects.TakenError as error:
            raise ProjectTakenError(new.slug) from error
    if project.slug != new.slug:
        raise ProjectTakenError(new.slug)
    return project


@transaction_required
def claim(project: Project, *, by: User, now: datetime) -> None:
    """Make the user leader of an organization that has nobody.

    Raises ProjectTakenError where another user was faster.
    """
    # Two users at once: the second waits here, and then the organization has somebody.
    Organization.objects.select_for_update(no_key=True).get(pk=project.organization_id)
    if organizations.claimed_at([project.organization_id]):
        raise ProjectTakenError(project.slug)
    Membership.objects.create(
        user=by, organization=project.organization, role=Role.LEADER, created_at=now
    )


def _add(new: NewProject, organization: Organization, *, name: str, now: datetime) -> Project:
    return projects.add(
        organization=organization,
        name=name,
        slug=new.slug,
        visibility=Visibility.PUBLIC,
        now=now,
        by=new.by,
    )


def _unclaimed(new: NewProject, *, now: datetime) -> Project:
    uuid = uuid4()
    slug = slugs.free_slug(
        new.name,
        taken=lambda slug: organizations.living().filter(slug=slug).exists(),
        preferred=new.slug,
    )
    try:
        with transaction.atomic():
            organization = Organization.objects.create(
                uuid=uuid, name=new.name, slug=slug, created_at=now, modified_at=now
            )
            organizations.begin(organization, now)
            project = Project.objects.create(
                uuid=uuid,
                organization=organization,
                name=new.name,
                slug=new.slug,
                visibility=Visibility.PUBLIC,
                created_at=now,
                modified_at=now,
            )
    except IntegrityError as error:
        raise ProjectTakenError(new.slug) from error
    ProjectChange.objects.create(project=project, kind=ProjectChange.Kind.CREATED, at=now, by=None)
    return project
