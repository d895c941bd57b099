"""Members of an organization: seen by all of them, managed by its leaders."""

from django.http import HttpResponse
from rest_framework.exceptions import NotFound
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.views import APIView

from bencher import clock
from bencher.errors import ApiError
from bencher.rest import answering, paging, reading, searching
from bencher.rest.documenting import endpoint
from bencher.rest.paging import Direction
from bencher.rest.searching import NamedPage
from bencher.tenancy import api_access, members
from bencher.tenancy.models import Membership, Role
from bencher.tenancy.permissions import Permission
from bencher.tenancy.wire import JsonAuthAck, JsonMember, JsonNewMember, JsonUpdateMember


class MemberList(APIView):
    """The people of an organization."""

    permission_classes = (AllowAny,)

    @endpoint(
        summary="The members of an organization", answer=JsonMember, paged=True, query=NamedPage
    )
    def get(self, request: Request, organization: str) -> HttpResponse:
        """Answer with a page of members, by name."""
        found = api_access.organization(request, organization, Permission.VIEW_ROLE)
        asked = reading.query(request, NamedPage)
        matching = searching.narrow(members.of(found), asked, of="user__")
        rows, total = paging.rows(matching, asked, sort="user__name", default=Direction.ASC)
        return answering.page(map(JsonMember.of, rows), total=total)

    @endpoint(
        summary="Make somebody a member",
        answer=JsonAuthAck,
        status=202,
        body=JsonNewMember,
        refusals=(400, 401, 403, 404, 409, 411, 413, 415),
    )
    def post(self, request: Request, organization: str) -> HttpResponse:
        """Make the person with that address a member at once. Leaders only.

        Bencher sends an invitation and waits for it to be accepted. Here an account is made where
        the address has none, and its owner chooses a password by “forgot your password”. To ask
        before, invite people on the organization's page.
        """
        found = api_access.organization(request, organization, Permission.CREATE_ROLE)
        new = reading.body(request, JsonNewMember)
        try:
            member = members.add(
                found, email=new.email, name=new.name, role=Role(new.role), now=clock.now()
            )
        except members.AlreadyMemberError as error:
            raise ApiError(409, str(error)) from error
        return answering.one(JsonAuthAck(email=member.user.email), status=202)


class MemberDetail(APIView):
    """One member of an organization."""

    permission_classes = (AllowAny,)

    @endpoint(summary="A member of an organization", answer=JsonMember)
    def get(self, request: Request, organization: str, user: str) -> HttpResponse:
        """Answer with a member."""
        return answering.one(
            JsonMember.of(_find(request, organization, user, Permission.VIEW_ROLE))
        )

    @endpoint(
        summary="Give a member another role",
        answer=JsonMember,
        body=JsonUpdateMember,
        refusals=(400, 401, 403, 404, 409, 411, 413, 415),
    )
    def patch(self, request: Request, organization: str, user: str) -> HttpResponse:
        """Change a role. Leaders only; 409 for demoting the last one."""
        member = _find(request, organization, user, Permission.EDIT_ROLE)
        role = reading.body(request, JsonUpdateMember).role
        if role is not None:
            try:
                members.change_role(member, Role(role), now=clock.now())
            except members.LastLeaderError as error:
                raise ApiError(409, str(error)) from error
        return answering.one(JsonMember.of(member))

    @endpoint(
        summary="Remove a member",
        status=204,
        refusals=(401, 403, 404, 409),
    )
    def delete(self, request: Request, organization: str, user: str) -> HttpResponse:
        """Remove a member. Leaders only; 409 for the last one."""
        try:
            members.remove(_find(request, organization, user, Permission.DELETE_ROLE))
        except members.LastLeaderError as error:
            raise ApiError(409, str(error)) from error
        return answering.nothing()


def _find(request: Request, organization: str, user: str, permission: Permission) -> Membership:
    found = api_access.organization(request, organization, permission)
    member = members.find(found, user)
    if member is None:
        raise NotFound(f"{found.slug} has no member {user!r}.")
    return member
