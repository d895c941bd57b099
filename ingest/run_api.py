"""The endpoint that the `bencher` command line reports to."""

from django.http import HttpResponse
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.views import APIView

from bencher.errors import ApiError
from bencher.rest import reading
from bencher.rest.documenting import endpoint
from ingest import on_the_fly, posting, run_projects, wire
from ingest.answers import JsonReport
from ingest.posting import Posting
from ingest.wire import JsonNewReport, JsonNewRun


class Run(APIView):
    """A run of benchmarks somewhere."""

    permission_classes = (AllowAny,)

    @endpoint(
        summary="Report a run, to a project that may not be there yet",
        answer=JsonReport,
        status=201,
        body=JsonNewRun,
        query=Posting,
        refusals=posting.REFUSALS,
        also=posting.PREVIEW,
    )
    def post(self, request: Request) -> HttpResponse:
        """Store a report and answer 201 with it; what the body leaves out its context tells."""
        run_projects.check_caller(request)
        body = reading.raw(request)
        try:
            run = wire.decode_run(body)
            payload = run.report()
        except wire.InvalidBodyError as error:
            raise ApiError(400, str(error)) from error
        try:
            return self._answer(request, run, payload, body)
        except on_the_fly.ProjectTakenError:
            # Another run made or claimed the project: now it is one that is there.
            try:
                return self._answer(request, run, payload, body)
            except on_the_fly.ProjectTakenError as error:
                raise ApiError(409, f"The slug {error} is being taken; try again.") from error

    def _answer(
        self, request: Request, run: JsonNewRun, payload: JsonNewReport, body: bytes
    ) -> HttpResponse:
        target = run_projects.target(request, run)
        return posting.answer(
            request, project=target.project, payload=payload, body=body, claims=target.claims
        )
