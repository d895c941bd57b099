"""The endpoints of a project's branches."""

from uuid import UUID

import msgspec
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
from bencher.tenancy.permissions import Permission
from ingest import branch_edits
from ingest.answers import JsonBranch
from ingest.branch_edits import Change
from ingest.models import Branch
from ingest.wire import JsonNewBranch, JsonUpdateBranch
from series import access
from series.models import Project, ProjectKey
from series.wire import DimensionsPage

_WRITE_REFUSALS = (400, 401, 403, 404, 409, 411, 413, 415)


class BranchAt(msgspec.Struct, frozen=True):
    """At which of its heads a branch is wanted; the current one where none is named."""

    head: UUID | None = None


class BranchList(APIView):
    """The branches of a project."""

    permission_classes = (AllowAny,)

    @endpoint(
        summary="The branches of a project",
        answer=JsonBranch,
        paged=True,
        query=DimensionsPage,
        refusals=(400, 401, 404),
    )
    def get(self, request: Request, project: str) -> HttpResponse:
        """Answer with a page of branches, by name: those in use, or the archived ones."""
        found = access.project(request, project, Permission.VIEW)
        asked = reading.query(request, DimensionsPage)
        matching = branch_edits.of(found).filter(archived_at__isnull=not asked.archived)
        rows, total = paging.rows(
            searching.narrow(matching, asked), asked, sort="name", default=Direction.ASC
        )
        return answering.page(branch_edits.show(found, rows), total=total)

    @endpoint(
        summary="Make a branch",
        answer=JsonBranch,
        status=201,
        body=JsonNewBranch,
        refusals=_WRITE_REFUSALS,
    )
    def post(self, request: Request, project: str) -> HttpResponse:
        """Make a branch, with the versions of the one that it starts from."""
        found = access.project(request, project, Permission.CREATE)
        new = reading.body(request, JsonNewBranch)
        try:
            made = branch_edits.add(
                found,
                name=new.name,
                slug=new.slug,
                start=new.start_point.start() if new.start_point else None,
                now=clock.now(),
            )
        except branch_edits.TakenError as error:
            raise ApiError(409, str(error)) from error
        return _answer(found, made, status=201)


class BranchDetail(APIView):
    """One branch."""

    permission_classes = (AllowAny,)

    @endpoint(summary="A branch", answer=JsonBranch, query=BranchAt, refusals=(400, 401, 404))
    def get(self, request: Request, project: str, branch: str) -> HttpResponse:
        """Answer with a branch at its current head, or at an old one."""
        found = access.project(request, project, Permission.VIEW)
        row = _find(found, branch)
        head = reading.query(request, BranchAt).head
        if head is None:
            return _answer(found, row)
        shown = branch_edits.show_at(found, row, str(head))
        if shown is None:
            raise NotFound(f"Branch {row.slug} has no head {head}.")
        return answering.one(shown)

    @endpoint(
        summary="Rename a branch, archive or unarchive it, or let it start elsewhere",
        answer=JsonBranch,
        body=JsonUpdateBranch,
        refusals=_WRITE_REFUSALS,
    )
    def patch(self, request: Request, project: str, branch: str) -> HttpResponse:
        """Change a branch. A key of the project may do all but rename it."""
        own_key = isinstance(request.auth, ProjectKey)
        found = access.project(request, project, Permission.CREATE if own_key else Permission.EDIT)
        update = reading.body(request, JsonUpdateBranch)
        if own_key and (update.name is not None or update.slug is not None):
            raise ApiError(403, "A project key archives branches and does not rename them.")
        row = _find(found, branch)
        asked = Change(
            name=update.name,
            slug=update.slug,
            archived=update.archived,
            start=update.start_point.start() if update.start_point else None,
        )
        try:
            branch_edits.change(found, row, asked, now=clock.now())
        except branch_edits.TakenError as error:
            raise ApiError(409, str(error)) from error
        return _answer(found, row)

    @endpoint(
        summary="Remove a branch that was never reported to",
        status=204,
        refusals=(401, 403, 404, 409),
    )
    def delete(self, request: Request, project: str, branch: str) -> HttpResponse:
        """Remove a branch; 409 where it has reports, which are kept."""
        found = access.project(request, project, Permission.DELETE)
        try:
            branch_edits.remove(_find(found, branch))
        except branch_edits.InUseError as error:
            raise ApiError(409, str(error)) from error
        return answering.nothing()


def _find(project: Project, identifier: str) -> Branch:
    branch = branch_edits.find(project, identifier)
    if branch is None:
        raise NotFound(f"Project {project.slug} has no branch {identifier!r}.")
    return branch


def _answer(project: Project, branch: Branch, *, status: int = 200) -> HttpResponse:
    (shown,) = branch_edits.show(project, [branch])
    return answering.one(shown, status=status)
