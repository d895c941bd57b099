"""The keys of a project, for those who manage it."""

from django.db.models import QuerySet
from django.http import HttpResponse
from rest_framework.exceptions import NotFound
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.views import APIView

from bencher import clock
from bencher.rest import answering, paging, reading, searching
from bencher.rest.documenting import endpoint
from bencher.rest.paging import Direction
from bencher.tenancy import api_access, keys, slugs
from bencher.tenancy.api_access import KEYS_AND_SESSIONS
from bencher.tenancy.permissions import Permission
from bencher.tenancy.wire import KeysPage
from series import access
from series.models import ProjectKey
from series.wire import (
    JsonNewProjectKey,
    JsonProjectKey,
    JsonProjectKeyCreated,
    JsonUpdateProjectKey,
)


class ProjectKeyList(APIView):
    """The keys of a project."""

    authentication_classes = KEYS_AND_SESSIONS
    permission_classes = (AllowAny,)

    @endpoint(
        summary="The keys of a project, without the keys themselves",
        answer=JsonProjectKey,
        paged=True,
        query=KeysPage,
    )
    def get(self, request: Request, project: str) -> HttpResponse:
        """Answer with a page of keys, by name."""
        found = _keys(request, project)
        asked = reading.query(request, KeysPage)
        matching = searching.narrow(
            found.filter(revoked_at__isnull=not asked.revoked), asked, fields=()
        )
        rows, total = paging.rows(matching, asked, sort="name", default=Direction.ASC)
        return answering.page(map(JsonProjectKey.of, rows), total=total)

    @endpoint(
        summary="Make a key for a project, signed in in a browser",
        answer=JsonProjectKeyCreated,
        status=201,
        body=JsonNewProjectKey,
        refusals=(400, 401, 403, 404, 411, 413, 415),
    )
    def post(self, request: Request, project: str) -> HttpResponse:
        """Make a key and show it, this once. 403 for any key: a key must not mint keys."""
        found = access.project(request, project, Permission.MANAGE)
        api_access.check_may_mint(request)
        new = reading.body(request, JsonNewProjectKey)
        now = clock.now()
        key = ProjectKey(
            project=found,
            creator=api_access.user(request),
            name=new.name,
            created_at=now,
            expires_at=keys.expiry(new.ttl, now=now),
        )
        text = keys.issue(key, keys.PROJECT_PREFIX)
        return answering.one(JsonProjectKeyCreated.of(key, text=text), status=201)


class ProjectKeyDetail(APIView):
    """One key of a project."""

    authentication_classes = KEYS_AND_SESSIONS
    permission_classes = (AllowAny,)

    @endpoint(summary="A key of a project, without the key itself", answer=JsonProjectKey)
    def get(self, request: Request, project: str, key: str) -> HttpResponse:
        """Answer with a key."""
        return answering.one(JsonProjectKey.of(_key(request, project, key)))

    @endpoint(
        summary="Rename a key",
        answer=JsonProjectKey,
        body=JsonUpdateProjectKey,
        refusals=(400, 401, 403, 404, 411, 413, 415),
    )
    def patch(self, request: Request, project: str, key: str) -> HttpResponse:
        """Rename a key."""
        found = _key(request, project, key)
        keys.rename(found, reading.body(request, JsonUpdateProjectKey).name)
        return answering.one(JsonProjectKey.of(found))

    @endpoint(summary="Revoke a key for good", status=204, refusals=(401, 403, 404))
    def delete(self, request: Request, project: str, key: str) -> HttpResponse:
        """Revoke a key; it stays listed among the revoked ones."""
        keys.revoke(_key(request, project, key), now=clock.now())
        return answering.nothing()


def _keys(request: Request, identifier: str) -> QuerySet[ProjectKey]:
    project = access.project(request, identifier, Permission.MANAGE)
    return ProjectKey.objects.filter(project=project).select_related("project", "creator")


def _key(request: Request, project: str, identifier: str) -> ProjectKey:
    found = _keys(request, project)
    uuid = slugs.uuid_of(identifier)
    key = found.filter(uuid=uuid).first() if uuid else None
    if key is None:
        raise NotFound(f"Project {project} has no key {identifier!r}.")
    return key
