"""A project that reports, and the way CI reports to it."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from series.models import Project, Visibility
from tests.factories import make_organization, make_project, make_project_key, make_user

Post = Callable[[Any], Any]


@pytest.fixture
def project(db: None) -> Project:
    """Return Acme's private project, led by alice."""
    acme = make_organization("Acme", leader=make_user("alice"))
    return make_project("Engine", organization=acme, visibility=Visibility.PRIVATE)


@pytest.fixture
def post(project: Project) -> Post:
    """Return a function that posts a body to the project with its key."""
    key = make_project_key(project)
    client = Client(headers={"authorization": f"Bearer {key}"})

    def post(body: Any) -> Any:
        return client.post(
            f"/v0/projects/{project.slug}/reports", body, content_type="application/json"
        )

    return post
