"""A project that reports, and the way CI and users talk to it."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from series.models import Project, Visibility
from tests.factories import (
    make_organization,
    make_project,
    make_project_key,
    make_user,
    make_user_key,
)

Post = Callable[[Any], Any]


class Caller:
    """Talks JSON to the API with a key, or without one."""

    def __init__(self, key: str | None) -> None:
        self.client = Client(headers={"authorization": f"Bearer {key}"} if key else {})

    def get(self, path: str, **query: Any) -> Any:
        """Read."""
        return self.client.get(f"/v0/{path}", query)

    def post(self, path: str, body: Any, **headers: str) -> Any:
        """Send a body."""
        return self.client.post(
            f"/v0/{path}", body, content_type="application/json", headers=headers
        )

    def patch(self, path: str, body: Any) -> Any:
        """Change something."""
        return self.client.patch(f"/v0/{path}", body, content_type="application/json")

    def delete(self, path: str) -> Any:
        """Remove something."""
        return self.client.delete(f"/v0/{path}")


@pytest.fixture
def project(db: None) -> Project:
    """Return Acme's private project, led by alice."""
    acme = make_organization("Acme", leader=make_user("alice"))
    return make_project("Engine", organization=acme, visibility=Visibility.PRIVATE)


@pytest.fixture
def alice(project: Project) -> Caller:
    """Return Acme's leader, with a key of hers."""
    membership = project.organization.memberships.select_related("user").get()
    return Caller(make_user_key(membership.user))


@pytest.fixture
def ci(project: Project) -> Caller:
    """Return CI, with a key of the project."""
    return Caller(make_project_key(project))


@pytest.fixture
def post(project: Project, ci: Caller) -> Post:
    """Return a function that posts a body to the project with its key."""

    def post(body: Any) -> Any:
        return ci.post(f"projects/{project.slug}/reports", body)

    return post
