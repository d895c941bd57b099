"""Which project a caller may act on, and how a refusal is worded.

Private projects do not exist for outsiders (404). Public ones can be read by everybody; whoever
would write to one is asked for a credential (401) or told that theirs does not allow it (403).
"""

from django.db.models import Q, QuerySet
from rest_framework.exceptions import NotAuthenticated, NotFound, PermissionDenied
from rest_framework.request import Request

from bencher.tenancy.models import Membership, Role, User
from bencher.tenancy.permissions import EVERYTHING, READING, WRITING, Permission
from series import projects
from series.models import Project, ProjectKey, ProjectMembership, ProjectRole, Visibility

OF_ROLE = {
    ProjectRole.VIEWER: READING,
    ProjectRole.DEVELOPER: READING | WRITING,
    ProjectRole.MAINTAINER: EVERYTHING,
}
# A project key reports and reads; it renames nothing, deletes nothing and mints no keys.
OF_PROJECT_KEY = frozenset({Permission.VIEW, Permission.CREATE})
NOTHING: frozenset[Permission] = frozenset()


def project(request: Request, identifier: str, permission: Permission) -> Project:
    """Return the project with that UUID or slug, if the caller may do that to it.

    Raises NotFound, NotAuthenticated (401) and PermissionDenied.
    """
    found = projects.find(identifier)
    if found is None:
        raise _missing(identifier)
    allowed = permissions(request, found)
    if permission in allowed:
        return found
    if Permission.VIEW not in allowed:
        raise _missing(identifier)
    if request.auth is None and not isinstance(request.user, User):
        raise NotAuthenticated(f"Project {found.slug} is public to read; send a key to do more.")
    raise PermissionDenied(f"This key may not {permission.replace('_', ' ')} in {found.slug}.")


def permissions(request: Request, project: Project) -> frozenset[Permission]:
    """Return everything that the caller may do to a project."""
    public = frozenset({Permission.VIEW}) if project.visibility == Visibility.PUBLIC else NOTHING
    if isinstance(request.auth, ProjectKey):
        own = request.auth.project_id == project.pk
        return public | (OF_PROJECT_KEY if own else NOTHING)
    if isinstance(request.user, User):
        return public | _of_user(request.user, project)
    return public


def visible(request: Request) -> QuerySet[Project]:
    """Return the projects that the caller sees listed; for a project key that is its own."""
    living = projects.living()
    if isinstance(request.auth, ProjectKey):
        return living.filter(pk=request.auth.project_id)
    public = Q(visibility=Visibility.PUBLIC)
    if not isinstance(request.user, User):
        return living.filter(public)
    if request.user.is_superuser:
        return living
    theirs = Membership.objects.filter(user=request.user).values("organization")
    granted = ProjectMembership.objects.filter(user=request.user).values("project")
    return living.filter(public | Q(organization__in=theirs) | Q(pk__in=granted))


def _of_user(user: User, project: Project) -> frozenset[Permission]:
    if user.is_superuser:
        return EVERYTHING
    organization = Membership.objects.filter(
        organization_id=project.organization_id, user=user
    ).first()
    if organization is not None and organization.role == Role.LEADER:
        return EVERYTHING
    membership = ProjectMembership.objects.filter(project=project, user=user).first()
    granted = OF_ROLE[ProjectRole(membership.role)] if membership else NOTHING
    return granted | (READING if organization else NOTHING)


def _missing(identifier: str) -> NotFound:
    return NotFound(f"There is no project {identifier!r}, or this caller may not know of it.")
