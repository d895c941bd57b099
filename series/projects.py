"""Projects: adding them, their keys, and the changes that move a bill."""

from datetime import datetime

from django.db import transaction

from bencher.tenancy import keys, slugs
from bencher.tenancy.models import Organization, User
from series.models import Project, ProjectChange, ProjectKey, Visibility


def find(identifier: str) -> Project | None:
    """Return the living project with that UUID or slug, None where there is none."""
    living = Project.objects.select_related("organization").filter(
        deleted_at=None, organization__deleted_at=None
    )
    uuid = slugs.uuid_of(identifier)
    return living.filter(uuid=uuid).first() if uuid else living.filter(slug=identifier).first()


def add(
    *,
    organization: Organization,
    name: str,
    visibility: Visibility,
    now: datetime,
    by: User | None,
) -> Project:
    """Create a project. Raises IntegrityError where the organization has one of that name."""
    taken = Project.objects.filter
    with transaction.atomic():
        project = Project.objects.create(
            organization=organization,
            name=name,
            slug=slugs.free_slug(name, taken=lambda slug: taken(slug=slug).exists()),
            visibility=visibility,
            created_at=now,
            modified_at=now,
        )
        _note(project, ProjectChange.Kind.CREATED, now=now, by=by)
    return project


def set_visibility(
    project: Project, visibility: Visibility, *, now: datetime, by: User | None
) -> None:
    """Make a project public or private; counts follow at once, at the cost of one row."""
    with transaction.atomic():
        changed = Project.objects.filter(pk=project.pk).exclude(visibility=visibility)
        if changed.update(visibility=visibility, modified_at=now):
            kind = (
                ProjectChange.Kind.MADE_PRIVATE
                if visibility == Visibility.PRIVATE
                else ProjectChange.Kind.MADE_PUBLIC
            )
            _note(project, kind, now=now, by=by)
    project.visibility = visibility


def delete(project: Project, *, now: datetime, by: User | None) -> None:
    """Delete a project softly: it disappears from every count and can be restored."""
    with transaction.atomic():
        if Project.objects.filter(pk=project.pk, deleted_at=None).update(
            deleted_at=now, modified_at=now
        ):
            _note(project, ProjectChange.Kind.DELETED, now=now, by=by)


def restore(project: Project, *, now: datetime, by: User | None) -> None:
    """Undo a deletion: its series count again."""
    with transaction.atomic():
        if (
            Project.objects.filter(pk=project.pk)
            .exclude(deleted_at=None)
            .update(deleted_at=None, modified_at=now)
        ):
            _note(project, ProjectChange.Kind.RESTORED, now=now, by=by)


def add_key(project: Project, *, name: str, now: datetime) -> str:
    """Store a new key for a project and return its text, which can't be had again."""
    minted = keys.mint(keys.PROJECT_PREFIX)
    ProjectKey.objects.create(
        project=project,
        name=name,
        prefix=minted.prefix,
        key_hash=minted.key_hash,
        created_at=now,
    )
    return minted.text


def _note(project: Project, kind: ProjectChange.Kind, *, now: datetime, by: User | None) -> None:
    ProjectChange.objects.create(project=project, kind=kind, at=now, by=by)
