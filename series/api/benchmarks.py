"""The benchmarks of a project."""

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
from series.models import Benchmark
from series.wire import DimensionsPage, JsonBenchmark, JsonNewBenchmark, JsonUpdateBenchmark


class BenchmarkList(APIView):
    """All benchmarks of a project."""

    permission_classes = (AllowAny,)

    @endpoint(
        summary="The benchmarks of a project",
        answer=JsonBenchmark,
        paged=True,
        query=DimensionsPage,
        refusals=dimensions.READ_REFUSALS,
    )
    def get(self, request: Request, project: str) -> HttpResponse:
        """Answer with a page of benchmarks, by name."""
        return dimensions.page(request, project, Benchmark, JsonBenchmark.of)

    @endpoint(
        summary="Make a benchmark",
        answer=JsonBenchmark,
        status=201,
        body=JsonNewBenchmark,
        refusals=dimensions.WRITE_REFUSALS,
    )
    def post(self, request: Request, project: str) -> HttpResponse:
        """Make a benchmark; reports make what they name by themselves."""
        found = access.project(request, project, Permission.CREATE)
        new, now = reading.body(request, JsonNewBenchmark), clock.now()
        benchmark = Benchmark(project=found, name=new.name, created_at=now, modified_at=now)
        return answering.one(JsonBenchmark.of(dimensions.add(benchmark, slug=new.slug)), status=201)


class BenchmarkDetail(APIView):
    """One benchmark of a project."""

    permission_classes = (AllowAny,)

    @endpoint(summary="A benchmark", answer=JsonBenchmark, refusals=(401, 404))
    def get(self, request: Request, project: str, benchmark: str) -> HttpResponse:
        """Answer with a benchmark."""
        found = _find(request, project, benchmark, Permission.VIEW)
        return answering.one(JsonBenchmark.of(found))

    @endpoint(
        summary="Rename, archive or unarchive a benchmark",
        answer=JsonBenchmark,
        body=JsonUpdateBenchmark,
        refusals=dimensions.WRITE_REFUSALS,
    )
    def patch(self, request: Request, project: str, benchmark: str) -> HttpResponse:
        """Change a benchmark; its series stay its own."""
        found = _find(request, project, benchmark, Permission.EDIT)
        update = reading.body(request, JsonUpdateBenchmark)
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
        return answering.one(JsonBenchmark.of(found))

    @endpoint(
        summary="Remove a benchmark that was never reported to",
        status=204,
        refusals=dimensions.REMOVE_REFUSALS,
    )
    def delete(self, request: Request, project: str, benchmark: str) -> HttpResponse:
        """Remove a benchmark; 409 where it was reported to, archive it then."""
        return dimensions.remove(_find(request, project, benchmark, Permission.DELETE))


def _find(request: Request, project: str, benchmark: str, permission: Permission) -> Benchmark:
    return dimensions.find(request, project, benchmark, model=Benchmark, permission=permission)
