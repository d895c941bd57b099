"""Our OpenAPI document, and everything that Schemathesis makes of it."""

import os
from collections.abc import Iterator
from itertools import cycle
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from hypothesis import HealthCheck, settings
from schemathesis import checks
from schemathesis.specs.openapi import checks as openapi_checks

from bencher import api_reference
from bencher.tenancy.models import User
from series.models import Project, Visibility
from tests.factories import (
    make_organization,
    make_project,
    make_project_key,
    make_user,
    make_user_key,
)

EXAMPLES = 100 if os.environ.get("HYPOTHESIS_PROFILE") == "full" else 10
# Each example is sent by the next of them.
CREDENTIALS = cycle(["user_key", "project_key", "user_key", None])
CHECKS = [
    checks.not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.response_schema_conformance,
]
api = schemathesis.openapi.from_dict(api_reference.document())
api.app = get_wsgi_application()


@pytest.fixture(autouse=True)
def one_connection() -> Iterator[None]:
    """Keep the test's connection open between requests, as Django's own test client does."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def leader(db: None) -> dict[str, str]:
    """Return alice, who leads Acme, with her key and a private project's."""
    alice: User = make_user("alice")
    acme = make_organization("Acme", leader=alice)
    engine: Project = make_project("Engine", organization=acme, visibility=Visibility.PRIVATE)
    return {
        "organization": acme.slug,
        "project": engine.slug,
        "user": alice.slug,
        "user_key": make_user_key(alice),
        "project_key": make_project_key(engine),
    }


class TestDocument:
    def test_is_openapi_3_1_and_describes_every_operation(self) -> None:
        document = api_reference.document()

        assert document["openapi"] == "3.1.0"
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                assert operation["summary"], (path, method)
                assert {"429"} <= set(operation["responses"]), (path, method)


@pytest.mark.django_db
class TestFuzz:
    @api.parametrize()
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    def test_no_operation_fails_or_answers_what_it_does_not_document(
        self, case: Any, leader: dict[str, str]
    ) -> None:
        credential = next(CREDENTIALS)
        # Half of the addresses name what is there: otherwise all would be 404.
        for name in ("organization", "project", "user"):
            if name in case.path_parameters:
                case.path_parameters[name] = leader[name]
        headers = {"Authorization": f"Bearer {leader[credential]}"} if credential else {}

        case.call_and_validate(headers=headers, checks=CHECKS)
