"""Projects: public ones are read by everybody, private ones by their people."""

from collections.abc import Callable

from django.db.models import QuerySet
from django.http import HttpResponse
from msgspec import UNSET
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.views import APIView

from bencher import clock
from bencher.errors import ApiError
from bencher.rest import answering, paging, reading, searching
from bencher.rest.documenting import endpoint
from bencher.rest.paging import Direction
from bencher.rest.searching import NamedPage
from bencher.tenancy import api_access, organizations
from bencher.tenancy.models import User
from bencher.tenancy.permissions import Permission
from bencher.tenancy.wire import Deletion, JsonAllowed
from series import access, projects
from series.models import Project, Visibility
from series.wire import JsonNewProject, JsonProject, JsonUpdateProject


class ProjectList(APIView):
    """All projects that the caller may see."""

    permission_classes = (AllowAny,)

    @endpoint(
        summary="The public projects, and those that you may view; a project key sees its own",
        answer=JsonProject,
        paged=True,
        query=NamedPage,
        refusals=(400, 401),
    )
    def get(self, request: Request) -> HttpResponse:
        """Answer with a page of projects, by name."""
        return _page(request, access.visible(request))


class OrganizationProjectList(APIView):
    """The projects of an organization."""

    permission_classes = (AllowAny,)

    @endpoint(
        summary="The projects of an organization", answer=JsonProject, paged=True, query=NamedPage
    )
    def get(self, request: Request, organization: str) -> HttpResponse:
        """Answer with a page of the organization's projects, by name, for its people."""
        found = api_access.organization(request, organization, Permission.VIEW)
        return _page(request, projects.living().filter(organization=found))

    @endpoint(
        summary="Make a project",
        answer=JsonProject,
        status=201,
        body=JsonNewProject,
        refusals=(400, 401, 402, 403, 404, 409, 411, 413, 415),
    )
    def post(self, request: Request, organization: str) -> HttpResponse:
        """Make a project, public by default. Leaders only; 402 for a private one without plan."""
        found = api_access.organization(request, organization, Permission.CREATE)
        new = reading.body(request, JsonNewProject)
        visibility, now = Visibility(new.visibility or Visibility.PUBLIC), clock.now()

        def add() -> Project:
            if visibility is Visibility.PRIVATE:
                projects.check_may_be_private(found, now=now)
            return projects.add(
                organization=found,
                name=new.name,
                slug=new.slug or "",
                url=new.url or "",
                visibility=visibility,
                now=now,
                by=api_access.user(request),
            )

        return _answer(_or_refuse(add), status=201)


class ProjectDetail(APIView):
    """One project."""

    permission_classes = (AllowAny,)

    @endpoint(summary="A project", answer=JsonProject, refusals=(401, 404))
    def get(self, request: Request, project: str) -> HttpResponse:
        """Answer with a project."""
        return _answer(access.project(request, project, Permission.VIEW))

    @endpoint(
        summary="Rename a project, give it another slug, address or visibility",
        answer=JsonProject,
        body=JsonUpdateProject,
        refusals=(400, 401, 402, 403, 404, 409, 411, 413, 415),
    )
    def patch(self, request: Request, project: str) -> HttpResponse:
        """Change a project; 402 for making it private without a plan."""
        found = access.project(request, project, Permission.EDIT)
        update = reading.body(request, JsonUpdateProject)

        def change() -> Project:
            projects.change(
                found,
                name=update.name,
                slug=update.slug,
                url=None if update.url is UNSET else update.url or "",
                visibility=Visibility(update.visibility) if update.visibility else None,
                now=clock.now(),
                by=_by(request),
            )
            return found

        return _answer(_or_refuse(change))

    @endpoint(summary="Delete a project", status=204, query=Deletion)
    def delete(self, request: Request, project: str) -> HttpResponse:
        """Delete a project softly: it disappears, and staff can restore it."""
        found = access.project(request, project, Permission.DELETE)
        if reading.query(request, Deletion).hard:
            raise ApiError(
                400,
                "`hard` is refused: reports prove what was billed and are kept. Delete it without"
                " `hard`; it disappears and frees its name and slug.",
            )
        projects.delete(found, now=clock.now(), by=_by(request))
        return answering.nothing()


class ProjectAllowed(APIView):
    """What a caller may do to a project."""

    permission_classes = (AllowAny,)

    @endpoint(
        summary="Whether you may do that to a project",
        answer=JsonAllowed,
        refusals=(400, 401, 404),
    )
    def get(self, request: Request, project: str, permission: str) -> HttpResponse:
        """Answer with whether the caller has the permission."""
        asked = api_access.permission(permission)
        found = access.project(request, project, Permission.VIEW)
        return answering.one(JsonAllowed(allowed=asked in access.permissions(request, found)))


def _by(request: Request) -> User | None:
    return request.user if isinstance(request.user, User) else None


def _or_refuse(act: Callable[[], Project]) -> Project:
    try:
        return act()
    except projects.TakenError as error:
        raise ApiError(409, str(error)) from error
    except projects.PrivateNeedsPlanError as error:
        raise ApiError(402, str(error)) from error


def _page(request: Request, found: QuerySet[Project]) -> HttpResponse:
    asked = reading.query(request, NamedPage)
    matching = searching.narrow(found, asked)
    rows, total = paging.rows(matching, asked, sort="name", default=Direction.ASC)
    claimed = organizations.claimed_at({row.organization_id for row in rows})
    return answering.page(
        (JsonProject.of(row, claimed=claimed.get(row.organization_id)) for row in rows),
        total=total,
    )


def _answer(project: Project, *, status: int = 200) -> HttpResponse:
    owner = project.organization_id
    claimed = organizations.claimed_at([owner]).get(owner)
    return answering.one(JsonProject.of(project, claimed=claimed), status=status)
