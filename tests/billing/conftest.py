"""Subscribers and their reports, as billing's tests need them."""

from datetime import timedelta

import pytest
from django.test import Client

from bencher import clock
from billing import stripe_setup
from billing.models import Plan
from series.models import Project, Visibility
from tests.factories import (
    bmf,
    make_organization,
    make_period,
    make_plan,
    make_project,
    make_project_key,
    make_user,
    report_body,
)
from tests.stripe_sandbox import Sandbox

MONTH = timedelta(days=30)


def make_subscriber(name: str) -> tuple[Plan, Project]:
    """Return a Pro plan in the middle of a period, and a private project of its organization."""
    organization = make_organization(name.title(), leader=make_user(name))
    plan = make_plan(organization)
    now = clock.now()
    make_period(plan, starts_at=now - MONTH / 2, ends_at=now + MONTH / 2)
    return plan, make_project("Engine", organization=organization, visibility=Visibility.PRIVATE)


def report(project: Project, benchmarks: int, *, ago: timedelta = timedelta(0)) -> str:
    """Report that many series to a project and return the report's UUID."""
    response = Client(headers={"authorization": f"Bearer {make_project_key(project)}"}).post(
        f"/v0/projects/{project.uuid}/reports",
        report_body(bmf(benchmarks), end_time=clock.now() - ago),
        content_type="application/json",
    )
    assert response.status_code == 201, response.content
    uuid: str = response.json()["uuid"]
    return uuid


@pytest.fixture
def shop(db: None, sandbox: Sandbox) -> Sandbox:
    """Return a sandbox in which Pro can be sold."""
    list(stripe_setup.run())
    return sandbox
