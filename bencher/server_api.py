"""What the `bencher` command line asks the server about itself."""

import msgspec
from django.conf import settings
from django.http import HttpResponse
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.views import APIView

from bencher.rest import answering
from bencher.rest.documenting import endpoint

# The command line compares it with its own and only warns where they differ.
COMPATIBLE_VERSION = "0.6.12"


class JsonApiVersion(msgspec.Struct):
    """The version of Bencher whose API this is."""

    version: str


class JsonConsole(msgspec.Struct):
    """Where people read what was reported."""

    url: str


class Version(APIView):
    """The version of the API."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @endpoint(
        summary="The version of Bencher's API that this server speaks",
        answer=JsonApiVersion,
        refusals=(),
        public=True,
    )
    def get(self, request: Request) -> HttpResponse:
        """Answer with the version; asked before every other call."""
        return answering.one(JsonApiVersion(version=COMPATIBLE_VERSION))


class Console(APIView):
    """The address of the pages."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @endpoint(
        summary="Where people read what was reported",
        answer=JsonConsole,
        refusals=(),
        public=True,
    )
    def get(self, request: Request) -> HttpResponse:
        """Answer with the address that links in reports begin with."""
        return answering.one(JsonConsole(url=settings.BASE_URL))
