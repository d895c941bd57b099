"""The pages of organizations, people, projects and keys, for the tests of every page."""

import hashlib
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from bencher.tenancy import invitations
from bencher.tenancy.models import Invitation, Organization, Role, User, UserKey
from series.models import ProjectKey, Visibility
from tests.factories import make_plan, make_project, make_project_key, make_user_key
from tests.pages import accounts

HOME = "/organizations/acme/"
ENGINE = f"{HOME}projects/engine/"
ALICE = UUID("a11ce000-0000-4000-8000-000000000000")
KEY = UUID("4e000000-0000-4000-8000-000000000000")
TOKEN = "dave"


def _alone(acme: Organization, now: datetime) -> None:
    pass


def _peopled(acme: Organization, now: datetime) -> None:
    accounts.make_november(make_plan(acme))
    engine = make_project("Engine", organization=acme, visibility=Visibility.PRIVATE)
    accounts.make_series(engine, 3, at=now)
    make_project_key(engine)
    ProjectKey.objects.update(uuid=KEY)
    alice = User.objects.get(email="alice@example.com")
    make_user_key(alice)
    UserKey.objects.update(uuid=KEY)
    User.objects.filter(pk=alice.pk).update(uuid=ALICE)
    invitations.invite(acme, email="dave@example.com", role=Role.MEMBER, by=alice, now=now)
    Invitation.objects.update(token_hash=hashlib.sha256(TOKEN.encode()).digest())


def _page(
    name: str,
    address: str,
    *,
    by: str | None = "alice",
    method: str = "GET",
    status: int = 200,
    prepare: Any = _peopled,
) -> Any:
    return pytest.param((method, address, by, prepare, status), id=name)


def _refused(name: str, address: str) -> Any:
    return _page(name, address, method="POST", status=422)


PAGES = [
    _page("founding", "/organizations/new/"),
    _refused("founding-failed", "/organizations/new/"),
    _page("no-projects", HOME, prepare=_alone),
    _page("projects", HOME),
    _page("projects-of-member", HOME, by="bob"),
    _page("organization-settings", f"{HOME}settings/"),
    _refused("organization-settings-failed", f"{HOME}settings/"),
    _page("organization-delete", f"{HOME}delete/"),
    _refused("organization-not-deleted", f"{HOME}delete/"),
    _page("members", f"{HOME}members/"),
    _page("members-of-member", f"{HOME}members/", by="bob"),
    _page("member-remove", f"{HOME}members/{ALICE}/remove/"),
    _refused("not-invited", f"{HOME}invitations/"),
    _page("invitation", f"/invitations/{TOKEN}/", by=None),
    _page("invitation-of-another", f"/invitations/{TOKEN}/", status=403),
    _page("keys", "/account/keys/"),
    _refused("no-key", "/account/keys/"),
    _page("key-revoke", f"/account/keys/{KEY}/revoke/"),
    _page("project-new", f"{HOME}new-project/"),
    _refused("project-new-failed", f"{HOME}new-project/"),
    _page("project-settings", f"{ENGINE}settings/"),
    _refused("project-settings-failed", f"{ENGINE}settings/"),
    _refused("no-project-key", f"{ENGINE}keys/"),
    _page("project-visibility", f"{ENGINE}visibility/"),
    _page("project-delete", f"{ENGINE}delete/"),
    _refused("project-not-deleted", f"{ENGINE}delete/"),
    _page("project-key-revoke", f"{ENGINE}keys/{KEY}/revoke/"),
]
