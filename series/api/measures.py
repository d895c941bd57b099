"""The measures of a project."""

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
from series.models import Measure
from series.wire import DimensionsPage, JsonMeasure, JsonNewMeasure, JsonUpdateMeasure


class MeasureList(APIView):
    """All measures of a project."""

    permission_classes = (AllowAny,)

    @endpoint(
        summary="The measures of a project",
        answer=JsonMeasure,
        paged=True,
        query=DimensionsPage,
        refusals=dimensions.READ_REFUSALS,
    )
    def get(self, request: Request, project: str) -> HttpResponse:
        """Answer with a page of measures, by name."""
        return dimensions.page(request, project, Measure, JsonMeasure.of)

    @endpoint(
        summary="Make a measure",
        answer=JsonMeasure,
        status=201,
        body=JsonNewMeasure,
        refusals=dimensions.WRITE_REFUSALS,
    )
    def post(self, request: Request, project: str) -> HttpResponse:
        """Make a measure; reports make what they name by themselves."""
        found = access.project(request, project, Permission.CREATE)
        new, now = reading.body(request, JsonNewMeasure), clock.now()
        measure = Measure(
            project=found, name=new.name, units=new.units, created_at=now, modified_at=now
        )
        return answering.one(JsonMeasure.of(dimensions.add(measure, slug=new.slug)), status=201)


class MeasureDetail(APIView):
    """One measure of a project."""

    permission_classes = (AllowAny,)

    @endpoint(summary="A measure", answer=JsonMeasure, refusals=(401, 404))
    def get(self, request: Request, project: str, measure: str) -> HttpResponse:
        """Answer with a measure."""
        found = _find(request, project, measure, Permission.VIEW)
        return answering.one(JsonMeasure.of(found))

    @endpoint(
        summary="Rename, archive or unarchive a measure",
        answer=JsonMeasure,
        body=JsonUpdateMeasure,
        refusals=dimensions.WRITE_REFUSALS,
    )
    def patch(self, request: Request, project: str, measure: str) -> HttpResponse:
        """Change a measure; its series stay its own."""
        found = _find(request, project, measure, Permission.EDIT)
        update = reading.body(request, JsonUpdateMeasure)
        try:
            curating.change(
                found,
                name=update.name,
                slug=update.slug,
                units=update.units,
                archived=update.archived,
                now=clock.now(),
            )
        except curating.TakenError as error:
            raise ApiError(409, str(error)) from error
        return answering.one(JsonMeasure.of(found))

    @endpoint(
        summary="Remove a measure that was never reported to",
        status=204,
        refusals=dimensions.REMOVE_REFUSALS,
    )
    def delete(self, request: Request, project: str, measure: str) -> HttpResponse:
        """Remove a measure; 409 where it was reported to, archive it then."""
        return dimensions.remove(_find(request, project, measure, Permission.DELETE))


def _find(request: Request, project: str, measure: str, permission: Permission) -> Measure:
    return dimensions.find(request, project, measure, model=Measure, permission=permission)
