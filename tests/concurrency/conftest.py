"""Subscribers whose rows are committed, and CI that reports to them from several threads."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from billing import hints, stripe_setup
from billing.models import Plan
from series.models import Project
from tests.billing.conftest import make_subscriber
from tests.factories import make_project_key
from tests.stripe_sandbox import Sandbox

Post = Callable[[Any], Any]


@pytest.fixture(autouse=True)
def _committing(committed_db: str) -> None:
    """Give every test here a database of its own, in which sessions see what others commit."""


@pytest.fixture(autouse=True)
def hinted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Take hints in place of Redis; returns the organizations that were hinted at."""
    hinted: list[int] = []

    def take(organization_id: int) -> bool:
        hinted.append(organization_id)
        return True

    monkeypatch.setattr(hints, "schedule", take)
    return hinted


@pytest.fixture
def subscriber(committed_db: str) -> tuple[Plan, Project]:
    """Return Acme's Pro plan, in the middle of a period, and its private project."""
    return make_subscriber("acme")


@pytest.fixture
def project(subscriber: tuple[Plan, Project]) -> Project:
    """Return Acme's private project."""
    return subscriber[1]


@pytest.fixture
def plan(subscriber: tuple[Plan, Project]) -> Plan:
    """Return Acme's Pro plan."""
    return subscriber[0]


def reporter(project: Project) -> Post:
    """Return a function that posts a body to a project with its key, from any thread."""
    headers = {"authorization": f"Bearer {make_project_key(project)}"}

    def post(body: Any) -> Any:
        # A client of its own for each report: threads must not share one.
        return Client(headers=headers, raise_request_exception=False).post(
            f"/v0/projects/{project.uuid}/reports", body, content_type="application/json"
        )

    return post


@pytest.fixture
def post(project: Project) -> Post:
    """Return CI's way to report to Acme's project."""
    return reporter(project)


@pytest.fixture
def shop(committed_db: str, sandbox: Sandbox) -> Sandbox:
    """Return a sandbox in which Pro can be sold, and a database that knows of it."""
    list(stripe_setup.run())
    return sandbox
