"""Organizations: listed for their people, founded by anybody, changed by their leaders."""

from django.http import HttpResponse
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.views import APIView

from bencher import clock
from bencher.errors import ApiError
from bencher.rest import answering, paging, reading, searching
from bencher.rest.documenting import endpoint
from bencher.rest.paging import Direction
from bencher.rest.searching import NamedPage
from bencher.tenancy import api_access, deletion, organizations
from bencher.tenancy.models import Organization
from bencher.tenancy.permissions import Permission
from bencher.tenancy.wire import (
    Deletion,
    JsonAllowed,
    JsonEnding,
    JsonNewOrganization,
    JsonOrganization,
    JsonUpdateOrganization,
)


class OrganizationList(APIView):
    """The organizations of a user."""

    permission_classes = (AllowAny,)

    @endpoint(
        summary="The organizations that you belong to; superusers see all",
        answer=JsonOrganization,
        paged=True,
        query=NamedPage,
        refusals=(400, 401, 403),
    )
    def get(self, request: Request) -> HttpResponse:
        """Answer with a page of organizations, by name."""
        user = api_access.user(request)
        asked = reading.query(request, NamedPage)
        mine = organizations.living() if user.is_superuser else organizations.of(user)
        found = searching.narrow(mine, asked)
        rows, total = paging.rows(found, asked, sort="name", default=Direction.ASC)
        claimed = organizations.claimed_at([row.pk for row in rows])
        return answering.page(
            (JsonOrganization.of(row, claimed=claimed.get(row.pk)) for row in rows), total=total
        )

    @endpoint(
        summary="Found an organization and lead it",
        answer=JsonOrganization,
        status=201,
        body=JsonNewOrganization,
        refusals=(400, 401, 403, 411, 413, 415),
    )
    def post(self, request: Request) -> HttpResponse:
        """Found an organization; its slug gets a suffix where it is taken."""
        user = api_access.user(request)
        new = reading.body(request, JsonNewOrganization)
        organization = organizations.found(
            name=new.name, slug=new.slug or "", leader=user, now=clock.now()
        )
        return _answer(organization, status=201)


class OrganizationDetail(APIView):
    """One organization."""

    permission_classes = (AllowAny,)

    @endpoint(summary="An organization", answer=JsonOrganization)
    def get(self, request: Request, organization: str) -> HttpResponse:
        """Answer with an organization, for its people."""
        return _answer(api_access.organization(request, organization, Permission.VIEW))

    @endpoint(
        summary="Rename an organization or give it another slug",
        answer=JsonOrganization,
        body=JsonUpdateOrganization,
        refusals=(400, 401, 403, 404, 409, 411, 413, 415),
    )
    def patch(self, request: Request, organization: str) -> HttpResponse:
        """Change an organization. Leaders only; 409 for a slug that is taken."""
        found = api_access.organization(request, organization, Permission.EDIT)
        update = reading.body(request, JsonUpdateOrganization)
        try:
            organizations.change(found, name=update.name, slug=update.slug, now=clock.now())
        except organizations.SlugTakenError as error:
            raise ApiError(409, str(error)) from error
        return _answer(found)

    @endpoint(
        summary="Delete an organization with its projects",
        status=204,
        query=Deletion,
        also={202: (JsonEnding, "The plan is being ended; the organization is deleted after it.")},
        refusals=(400, 401, 403, 404, 409, 503),
    )
    def delete(self, request: Request, organization: str) -> HttpResponse:
        """Delete an organization softly, its plan first. Leaders only.

        202 while the plan is being ended: its last usage is billed, and the organization is
        deleted by itself some minutes later. 503 where Stripe does not answer; nothing is changed.
        """
        found = api_access.organization(request, organization, Permission.DELETE)
        if reading.query(request, Deletion).hard:
            raise ApiError(
                400,
                "`hard` is refused: statements of the organization are evidence and are kept."
                " Delete it without `hard`; it disappears and frees its slug.",
            )
        try:
            deleted = deletion.delete(found, now=clock.now(), by=api_access.user(request))
        except deletion.StillInUseError as error:
            raise ApiError(409, str(error)) from error
        except deletion.UnavailableError as error:
            raise ApiError(503, str(error)) from error
        if not deleted:
            return answering.one(
                JsonEnding(
                    message=f"The plan of {found.slug} is being ended: its last usage is billed"
                    " and proven first. The organization is deleted by itself in a few minutes."
                ),
                status=202,
            )
        return answering.nothing()


class OrganizationAllowed(APIView):
    """What a caller may do to an organization."""

    permission_classes = (AllowAny,)

    @endpoint(summary="Whether you may do that to an organization", answer=JsonAllowed)
    def get(self, request: Request, organization: str, permission: str) -> HttpResponse:
        """Answer with whether the caller has the permission."""
        asked = api_access.permission(permission)
        found = api_access.organization(request, organization, Permission.VIEW)
        granted = api_access.permissions(api_access.user(request), found)
        return answering.one(JsonAllowed(allowed=asked in granted))


def _answer(organization: Organization, *, status: int = 200) -> HttpResponse:
    claimed = organizations.claimed_at([organization.pk]).get(organization.pk)
    return answering.one(JsonOrganization.of(organization, claimed=claimed), status=status)
