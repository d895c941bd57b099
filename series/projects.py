"""Projects: adding, finding, changing them, their keys, and the changes that move a bill."""

from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from bencher.tenancy import keys, slugs
from bencher.tenancy.models import Organization, User
from series.models import Project, ProjectChange, ProjectKey, Visibility

# So many projects are named before the rest is only counted.
_NAMED = 5


class TakenError(Exception):
    """Another project has the name within the organization, or the slug anywhere."""

    def __init__(self, project: Project) -> None:
        super().__init__(
            f"The name {project.name!r} is taken by another project of this organization, or the"
            f" slug {project.slug!r} by any project."
        )


class PrivateNeedsPlanError(Exception):
    """The organization has no plan that covers private projects."""

    def __init__(self, organization: Organization) -> None:
        super().__init__(
            f"{organization.slug} has no plan that covers private projects. Subscribe on its"
            " billing page, or make the project public."
        )


def living() -> QuerySet[Project]:
    """Return the projects that are not deleted, with their organizations."""
    return Project.objects.select_related("organization").filter(
        deleted_at=None, organization__deleted_at=None
    )


def find(identifier: str) -> Project | None:
    """Return the living project with that UUID or slug, None where there is none."""
    return slugs.find(living(), identifier)


def check_may_be_private(organization: Organization, *, now: datetime) -> None:
    """Refuse private projects where no plan covers them. Raises PrivateNeedsPlanError."""
    until = organization.private_until
    if until is not None and now >= until:
        raise PrivateNeedsPlanError(organization)


def add(
    *,
    organization: Organization,
    name: str,
    visibility: Visibility,
    now: datetime,
    by: User | None,
    slug: str = "",
    url: str = "",
) -> Project:
    """Create a project; its slug gets a suffix where it is taken.

    Raises TakenError where the organization has a living project of that name.
    """
    project = Project(
        organization=organization,
        name=name,
        slug=slugs.free_slug(name, taken=_slug_is_taken, preferred=slug),
        url=url,
        visibility=visibility,
        created_at=now,
        modified_at=now,
    )
    try:
        with transaction.atomic():
            project.save(force_insert=True)
            _note(project, ProjectChange.Kind.CREATED, now=now, by=by)
    except IntegrityError as error:
        raise TakenError(project) from error
    return project


def change(
    project: Project,
    *,
    name: str | None,
    slug: str | None,
    url: str | None,
    visibility: Visibility | None,
    now: datetime,
    by: User | None,
) -> None:
    """Change a project; None leaves what it is, an empty `url` removes it.

    Raises TakenError, and PrivateNeedsPlanError where a public project is to be private.
    """
    asked = {"name": name, "slug": slug, "url": url}
    changes = {field: value for field, value in asked.items() if value is not None}
    for field, value in changes.items():
        setattr(project, field, value)
    project.modified_at = now
    try:
        with transaction.atomic():
            project.save(update_fields=[*changes, "modified_at"])
            if visibility is not None and visibility != project.visibility:
                if visibility is Visibility.PRIVATE:
                    check_may_be_private(project.organization, now=now)
                set_visibility(project, visibility, now=now, by=by)
    except IntegrityError as error:
        raise TakenError(project) from error


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
    """Delete a project softly: it disappears from every count and can be restored.

    It keeps its name and slug, so that pages and statements read as they did, and frees both.
    """
    with transaction.atomic():
        if Project.objects.filter(pk=project.pk, deleted_at=None).update(
            deleted_at=now, modified_at=now
        ):
            _note(project, ProjectChange.Kind.DELETED, now=now, by=by)


def consequences_of_deleting_all(organization: Organization, now: datetime) -> list[str]:
    """Say which projects go with an organization."""
    names = living().filter(organization=organization).order_by("name")
    number = names.count()
    if not number:
        return ["It has no projects."]
    some = ", ".join(names.values_list("name", flat=True)[:_NAMED])
    more = f" and {number - _NAMED} more" if number > _NAMED else ""
    projects = "Its project goes" if number == 1 else f"Its {number:,} projects go"
    return [f"{projects} with it, with all reports and keys: {some}{more}."]


def delete_all_of(organization: Organization, now: datetime, by: User | None) -> None:
    """Delete each living project of an organization, which is about to be deleted itself."""
    for project in Project.objects.filter(organization=organization, deleted_at=None):
        delete(project, now=now, by=by)


def restore(project: Project, *, now: datetime, by: User | None) -> None:
    """Undo a deletion: its series count again.

    Where its slug is taken by now it gets a suffix; raises TakenError where its name is.
    """
    with transaction.atomic():
        locked = Project.objects.select_for_update().get(pk=project.pk)
        if locked.deleted_at is None:
            return
        if _slug_is_taken(locked.slug):
            locked.slug = slugs.with_suffix(locked.slug)
        locked.deleted_at, locked.modified_at = None, now
        try:
            with transaction.atomic():
                locked.save(update_fields=["slug", "deleted_at", "modified_at"])
        except IntegrityError as error:
            raise TakenError(locked) from error
        _note(locked, ProjectChange.Kind.RESTORED, now=now, by=by)


def add_key(project: Project, *, name: str, now: datetime) -> str:
    """Store a new key for a project and return its text, which can't be had again."""
    key = ProjectKey(project=project, name=name, created_at=now)
    return keys.issue(key, keys.PROJECT_PREFIX)


def _slug_is_taken(slug: str) -> bool:
    return Project.objects.filter(slug=slug, deleted_at=None).exists()


def _note(project: Project, kind: ProjectChange.Kind, *, now: datetime, by: User | None) -> None:
    ProjectChange.objects.create(project=project, kind=kind, at=now, by=by)
