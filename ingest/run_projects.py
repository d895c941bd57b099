"""Which project a run reports to: the one it names, or the one that its context describes.

Anonymous callers and new projects of nobody are only let in where ALLOW_UNCLAIMED_PROJECTS is on.
"""

from dataclasses import dataclass

from django.conf import settings
from rest_framework.exceptions import NotAuthenticated, NotFound
from rest_framework.request import Request

from bencher.errors import ApiError
from bencher.tenancy import organizations, slugs
from bencher.tenancy.models import Organization, Role, User
from bencher.tenancy.permissions import Permission
from ingest.on_the_fly import NewProject
from ingest.wire import JsonNewRun
from series import access, projects
from series.models import Project, ProjectKey

_REPOSITORY = "bencher.dev/v0/repo/name"
_ROOT_COMMIT = "bencher.dev/v0/repo/hash"
_FINGERPRINT = "bencher.dev/v0/testbed/fingerprint"
_DEFAULT_NAME = "Project"


@dataclass(frozen=True, slots=True)
class Target:
    """The project that a run reports to, and whether its user claims it by that."""

    project: Project | NewProject
    claims: bool = False


def check_caller(request: Request) -> None:
    """Refuse anonymous callers, unless they may report at all, before their body is read."""
    if request.auth is None and not settings.ALLOW_UNCLAIMED_PROJECTS:
        raise _needs_key()


def target(request: Request, run: JsonNewRun) -> Target:
    """Return the project that a run reports to. Raises ApiError, 401, 403 and 404."""
    if isinstance(request.auth, ProjectKey):
        return Target(_of_key(request.auth, run.project))
    identifier = run.project or _slug_of_context(run.context)
    found = projects.find(identifier)
    if found is None:
        return Target(_new(request, identifier, run.context))
    if _is_unclaimed(found):
        # A superuser may report anywhere already, and does not take projects over by that.
        claims = isinstance(request.user, User) and not request.user.is_superuser
        return Target(found, claims=claims)
    if request.auth is None:
        raise _needs_key()
    return Target(access.project(request, identifier, Permission.CREATE))


def _of_key(key: ProjectKey, identifier: str | None) -> Project:
    project = projects.find(str(key.project.uuid))
    named = identifier is None or identifier == key.project.slug
    if project is None or not (named or slugs.uuid_of(identifier or "") == key.project.uuid):
        raise NotAuthenticated(
            f"This key reports to project {key.project.slug} and to no other; leave --project out"
            " or send another key."
        )
    return project


def _is_unclaimed(project: Project) -> bool:
    # Only what was made on the fly shares its organization's UUID. An organization that lost its
    # last member is nobody's to take.
    return (
        settings.ALLOW_UNCLAIMED_PROJECTS
        and project.uuid == project.organization.uuid
        and not organizations.claimed_at([project.organization_id])
    )


def _new(request: Request, slug: str, context: dict[str, str] | None) -> NewProject:
    if slugs.uuid_of(slug) is not None:
        raise NotFound(f"There is no project {slug!r}, or this caller may not know of it.")
    if not slugs.is_slug(slug):
        raise ApiError(
            400,
            f"project {slug!r} is neither a UUID nor a slug: at most {slugs.MAX_LENGTH} lower-case"
            " letters and digits, words joined by single dashes.",
        )
    organization, by = None, None
    if isinstance(request.user, User):
        organization, by = _organization(request.user, slug), request.user
    name = _name_of_context(context) or slug
    return NewProject(name=name, slug=slug, organization=organization, by=by)


def _organization(user: User, slug: str) -> Organization:
    led = list(
        organizations.living().filter(memberships__user=user, memberships__role=Role.LEADER)[:2]
    )
    if len(led) == 1:
        return led[0]
    reason = "you lead several organizations" if led else "you lead no organization to make it in"
    raise NotFound(
        f"There is no project {slug!r}, or this caller may not know of it, and {reason}: make it"
        " first, or pass --project with one that is there."
    )


def _slug_of_context(context: dict[str, str] | None) -> str:
    parts = [
        (_name_of_context(context) or _DEFAULT_NAME)[:42],
        (context or {}).get(_ROOT_COMMIT, "")[:7],
        (context or {}).get(_FINGERPRINT, "")[:13],
    ]
    slug = slugs.slug_of(" ".join(filter(None, parts))) if context else ""
    if not slug:
        raise ApiError(400, "Neither project nor context says which project this run is for.")
    return slug


def _name_of_context(context: dict[str, str] | None) -> str:
    name = (context or {}).get(_REPOSITORY, "").replace("\0", "").strip()
    # Bencher measures names in bytes.
    return name.encode("utf-8", "ignore")[:64].decode("utf-8", "ignore").strip()


def _needs_key() -> NotAuthenticated:
    return NotAuthenticated(
        "Reporting to this project needs a key: pass --key (BENCHER_API_KEY) with one of the"
        " project's keys or of a user who may report to it."
    )
