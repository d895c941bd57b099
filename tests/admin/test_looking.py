"""Every page of the site, seen as somebody else: it says so, shows itself, and changes nothing."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLResolver, get_resolver, reverse

from bencher import roles
from bencher.tenancy import invitations
from bencher.tenancy.models import Role, User, UserKey
from billing.models import BillingPeriod, Statement
from ingest.models import Report
from series.models import Project, ProjectKey
from tests import factories
from tests.admin.rows import NOW, make_world
from tests.admin.test_impersonation import STOP, see_as
from tests.admin.test_roles import stored
from tests.pages.reading import soup, words
from tests.staffing import desk_of, make_staff

pytestmark = pytest.mark.django_db

# They are for programs, for staff or for Stripe, none of which is let in by a session.
OTHERS = ("v0/", "admin/", "stripe/", "metrics")
METHODS = ("post", "put", "patch", "delete")


@pytest.fixture
def addresses(db: None) -> list[str]:
    """Return the address of every page of the site, about rows of one organization."""
    organization = make_world(1, now=NOW)
    leader = organization.memberships.get().user
    _, token = invitations.invite(
        organization, email="ed@example.com", role=Role.MEMBER, by=leader, now=NOW
    )
    values = {
        "organization": organization.slug,
        "project": Project.objects.get().slug,
        "report": Report.objects.get().uuid,
        "statement": Statement.objects.get().uuid,
        "period": BillingPeriod.objects.earliest("starts_at").starts_at,
        "unit": "series",
        "member": leader.uuid,
        "invitation": organization.invitations.latest("pk").uuid,
        "token": token,
        "uidb36": "1",
        "pk": 1,
    }
    keys = {"key": UserKey.objects.get().uuid}, {"key": ProjectKey.objects.get().uuid}
    return [
        reverse(name, kwargs={one: (values | keys["project" in name])[one] for one in wanted})
        for name, wanted in _pages(get_resolver().url_patterns)
    ]


def _pages(
    patterns: list[Any], before: str = "", given: frozenset[str] = frozenset()
) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield the name of each page and what its address names."""
    for pattern in patterns:
        route, wanted = before + str(pattern.pattern), given | set(pattern.pattern.regex.groupindex)
        if route.startswith(OTHERS):
            continue
        if isinstance(pattern, URLResolver):
            yield from _pages(pattern.url_patterns, route, wanted)
        else:
            yield pattern.name, wanted


@pytest.fixture
def seen(addresses: list[str]) -> Client:
    """Return the browser of billing, which sees the site as the leader does."""
    client = desk_of(make_staff("bill", role=roles.BILLING))
    see_as(client, User.objects.get(email="leader1@example.com"))
    return client


class TestEveryPage:
    def test_says_that_it_is_seen_as_somebody_else(
        self, seen: Client, addresses: list[str]
    ) -> None:
        before = stored()
        shown = 0

        for page in addresses:
            answer = seen.get(page)
            assert answer.status_code < 500, page
            if answer.status_code == 200 and "html" in answer["Content-Type"]:
                shown += 1
                banner = soup(answer).select_one(".impersonated")
                assert words(banner).startswith("You see the site as"), page

        assert shown > 25
        assert stored() == before

    def test_changes_nothing(self, seen: Client, addresses: list[str]) -> None:
        before = stored()

        for page in addresses:
            for method in METHODS if page != STOP else ():
                answer = getattr(seen, method)(page, {"name": "x", "password": factories.PASSWORD})
                assert answer.status_code == 403, (method, page)

        assert stored() == before
