"""Users and their keys, for themselves and for superusers."""

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
from bencher.tenancy.models import User, UserKey
from bencher.tenancy.wire import (
    JsonNewUserKey,
    JsonUpdateUserKey,
    JsonUser,
    JsonUserKey,
    JsonUserKeyCreated,
    KeysPage,
)


class UserDetail(APIView):
    """One user."""

    permission_classes = (AllowAny,)

    @endpoint(summary="A user: yourself, or anybody for superusers", answer=JsonUser)
    def get(self, request: Request, user: str) -> HttpResponse:
        """Answer with a user."""
        return answering.one(JsonUser.of(_user(request, user)))


class UserKeyList(APIView):
    """The keys of a user."""

    authentication_classes = KEYS_AND_SESSIONS
    permission_classes = (AllowAny,)

    @endpoint(
        summary="The keys of a user; a key lists only itself",
        answer=JsonUserKey,
        paged=True,
        query=KeysPage,
    )
    def get(self, request: Request, user: str) -> HttpResponse:
        """Answer with a page of keys, by name, without the keys themselves."""
        found = _keys(request, _user(request, user))
        asked = reading.query(request, KeysPage)
        matching = searching.narrow(
            found.filter(revoked_at__isnull=not asked.revoked), asked, fields=()
        )
        rows, total = paging.rows(matching, asked, sort="name", default=Direction.ASC)
        return answering.page(map(JsonUserKey.of, rows), total=total)

    @endpoint(
        summary="Make a key for a user, signed in in a browser",
        answer=JsonUserKeyCreated,
        status=201,
        body=JsonNewUserKey,
        refusals=(400, 401, 403, 404, 411, 413, 415),
    )
    def post(self, request: Request, user: str) -> HttpResponse:
        """Make a key and show it, this once. 403 for any key: a key must not mint keys."""
        found = _user(request, user)
        api_access.check_may_mint(request)
        new = reading.body(request, JsonNewUserKey)
        now = clock.now()
        key = UserKey(
            user=found, name=new.name, created_at=now, expires_at=keys.expiry(new.ttl, now=now)
        )
        text = keys.issue(key, keys.USER_PREFIX)
        return answering.one(JsonUserKeyCreated.of(key, text=text), status=201)


class UserKeyDetail(APIView):
    """One key of a user."""

    authentication_classes = KEYS_AND_SESSIONS
    permission_classes = (AllowAny,)

    @endpoint(summary="A key of a user; a key sees only itself", answer=JsonUserKey)
    def get(self, request: Request, user: str, key: str) -> HttpResponse:
        """Answer with a key, without the key itself."""
        return answering.one(JsonUserKey.of(_key(request, user, key)))

    @endpoint(
        summary="Rename a key",
        answer=JsonUserKey,
        body=JsonUpdateUserKey,
        refusals=(400, 401, 403, 404, 411, 413, 415),
    )
    def patch(self, request: Request, user: str, key: str) -> HttpResponse:
        """Rename a key."""
        found = _key(request, user, key)
        keys.rename(found, reading.body(request, JsonUpdateUserKey).name)
        return answering.one(JsonUserKey.of(found))

    @endpoint(summary="Revoke a key for good", status=204, refusals=(401, 403, 404))
    def delete(self, request: Request, user: str, key: str) -> HttpResponse:
        """Revoke a key; it stays listed among the revoked ones."""
        keys.revoke(_key(request, user, key), now=clock.now())
        return answering.nothing()


def _user(request: Request, identifier: str) -> User:
    """Return a user that the caller may know of: themselves, or anybody for superusers."""
    caller = api_access.user(request)
    found = slugs.find(User.objects.all(), identifier)
    if found is None or (found != caller and not caller.is_superuser):
        raise NotFound(f"There is no user {identifier!r}, or you are somebody else.")
    return found


def _keys(request: Request, user: User) -> QuerySet[UserKey]:
    """Return the keys that the caller may know of: a key knows only itself."""
    found = UserKey.objects.filter(user=user).select_related("user")
    if isinstance(request.auth, UserKey):
        return found.filter(pk=request.auth.pk)
    return found


def _key(request: Request, user: str, identifier: str) -> UserKey:
    found = _keys(request, _user(request, user))
    uuid = slugs.uuid_of(identifier)
    key = found.filter(uuid=uuid).first() if uuid else None
    if key is None:
        raise NotFound(
            f"There is no key {identifier!r} here, or this key may not know of it; sign in in a"
            " browser to manage other keys."
        )
    return key
