"""Where bare-metal runners post their minutes."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from django.http import HttpResponse
from msgspec import Meta
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.views import APIView

from bencher import clock
from bencher.errors import ApiError
from bencher.rest import answering, reading
from bencher.rest.documenting import endpoint
from bencher.tenancy import api_access
from bencher.tenancy.permissions import Permission
from billing import runner_minutes
from billing.wire import Instant, in_utc

Key = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[\x21-\x7e]+$")]
Runner = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[^\x00]*$")]
# More than a month of one machine is a mistake of units.
Minutes = Annotated[int, Meta(ge=1, le=60 * 24 * 31)]


class JsonNewRunnerMinutes(msgspec.Struct, kw_only=True):
    """What a runner worked, in begun minutes, and a key by which a repeat is known."""

    runner: Runner
    minutes: Minutes
    start_time: Instant
    end_time: Instant | None = None
    idempotency_key: Key | None = None

    def __post_init__(self) -> None:
        self.start_time = in_utc("start_time", self.start_time)
        if self.end_time is not None:
            self.end_time = in_utc("end_time", self.end_time)


class JsonRunnerMinutes(msgspec.Struct, kw_only=True):
    """Minutes that were taken in; they are billed as of `received_at`."""

    uuid: UUID
    organization: UUID
    runner: str
    minutes: int
    start_time: datetime
    end_time: datetime | None
    received_at: datetime


class RunnerMinutesList(APIView):
    """Minutes of bare-metal runners."""

    permission_classes = (AllowAny,)

    @endpoint(
        summary="Post what a bare-metal runner worked",
        answer=JsonRunnerMinutes,
        status=201,
        body=JsonNewRunnerMinutes,
        refusals=(400, 401, 403, 404, 409, 411, 413, 415),
    )
    def post(self, request: Request, organization: str) -> HttpResponse:
        """Take minutes in, once for each key, in the header `Idempotency-Key` or in the body.

        With a key of a leader, or of the people who run the server. 409 where the key came with
        something else before.
        """
        found = api_access.organization(request, organization, Permission.MANAGE)
        new = reading.body(request, JsonNewRunnerMinutes)
        if new.end_time is not None and new.end_time < new.start_time:
            raise ApiError(400, "`end_time` is before `start_time`.")
        try:
            taken = runner_minutes.take(
                found,
                runner_minutes.Worked(new.runner, new.minutes, new.start_time, new.end_time),
                idempotency_key=_key(request, new),
                now=clock.now(),
            )
        except runner_minutes.KeyReusedError as error:
            raise ApiError(409, str(error)) from error
        return answering.one(
            JsonRunnerMinutes(
                uuid=taken.uuid,
                organization=found.uuid,
                runner=taken.runner,
                minutes=taken.minutes,
                start_time=taken.start_time,
                end_time=taken.end_time,
                received_at=taken.received_at,
            ),
            status=201,
        )


def _key(request: Request, new: JsonNewRunnerMinutes) -> str:
    """Return the key by which a repeat is known. Raises 400 without one, or with two."""
    header = request.headers.get("Idempotency-Key", "").strip().removeprefix('"').removesuffix('"')
    given = {key for key in (header, new.idempotency_key) if key}
    if len(given) != 1:
        raise ApiError(
            400,
            "Send one `Idempotency-Key`, as a header or as `idempotency_key` in the body, so that"
            " a repeated call is not billed twice.",
        )
    try:
        return msgspec.convert(given.pop(), Key)
    except msgspec.ValidationError as error:
        raise ApiError(400, f"The header Idempotency-Key can't be read: {error}.") from error
