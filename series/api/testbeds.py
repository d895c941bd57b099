"""The testbeds of a project."""

from django.http import HttpResponse
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.views import APIView

from bencher import clock
from bencher.errors import ApiError
from bencher.rest import answering, reading
from bencher.rest.documenting import endpoint
from bencher.tenancy.permissions import Permission
from series import access, curating
from series.api import dimensions
from series.models import Testbed
from series.wire import DimensionsPage, JsonNewTestbed, JsonTestbed, JsonUpdateTestbed


class TestbedList(APIView):
    """All testbeds of a project."""

    permission_classes = (AllowAny,)

    @endpoint(
        summary="The testbeds of a project",
        answer=JsonTestbed,
        paged=True,
        query=DimensionsPage,
        refusals=dimensions.READ_REFUSALS,
    )
    def get(self, request: Request, project: str) -> HttpResponse:
        """Answer with a page of testbeds, by name."""
        return dimensions.page(request, project, Testbed, JsonTestbed.of)

    @endpoint(
        summary="Make a testbed",
        answer=JsonTestbed,
        status=201,
        body=JsonNewTestbed,
        refusals=dimensions.WRITE_REFUSALS,
    )
    def post(self, request: Request, project: str) -> HttpResponse:
        """Make a testbed; reports make what they name by themselves."""
        found = access.project(request, project, Permission.CREATE)
        new, now = reading.body(request, JsonNewTestbed), clock.now()
        testbed = Testbed(project=found, name=new.name, created_at=now, modified_at=now)
        return answering.one(JsonTestbed.of(dimensions.add(testbed, slug=new.slug)), status=201)


class TestbedDetail(APIView):
    """One testbed of a project."""

    permission_classes = (AllowAny,)

    @endpoint(summary="A testbed", answer=JsonTestbed, refusals=(401, 404))
    def get(self, request: Request, project: str, testbed: str) -> HttpResponse:
        """Answer with a testbed."""
        found = _find(request, project, testbed, Permission.VIEW)
        return answering.one(JsonTestbed.of(found))

    @endpoint(
        summary="Rename, archive or unarchive a testbed",
        answer=JsonTestbed,
        body=JsonUpdateTestbed,
        refusals=dimensions.WRITE_REFUSALS,
    )
    def patch(self, request: Request, project: str, testbed: str) -> HttpResponse:
        """Change a testbed; its series stay its own."""
        found = _find(request, project, testbed, Permission.EDIT)
        update = reading.body(request, JsonUpdateTestbed)
        try:
            curating.change(
                found,
                name=update.name,
                slug=update.slug,
                archived=update.archived,
                now=clock.now(),
            )
        except curating.TakenError as error:
            raise ApiError(409, str(error)) from error
        return answering.one(JsonTestbed.of(found))

    @endpoint(
        summary="Remove a testbed that was never reported to",
        status=204,
        refusals=dimensions.REMOVE_REFUSALS,
    )
    def delete(self, request: Request, project: str, testbed: str) -> HttpResponse:
        """Remove a testbed; 409 where it was reported to, archive it then."""
        return dimensions.remove(_find(request, project, testbed, Permission.DELETE))


def _find(request: Request, project: str, testbed: str, permission: Permission) -> Testbed:
    return dimensions.find(request, project, testbed, model=Testbed, permission=permission)
