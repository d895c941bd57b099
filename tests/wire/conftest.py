"""A project to report to, and the schemas that generated clients are made from."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from series.models import Project, Visibility
from tests.factories import make_organization, make_project, make_project_key, make_user
from tests.ingest.conftest import Caller

# Lies outside the repository; without it the tests that need it say so and are skipped.
DOCUMENT = Path(__file__).parents[3] / "shared" / "data" / "bencher-openapi.json"

Validate = Callable[[str, Any], None]


@pytest.fixture
def project(db: None) -> Project:
    """Return Acme's public project, led by alice."""
    acme = make_organization("Acme", leader=make_user("alice"))
    return make_project("Engine", organization=acme, visibility=Visibility.PUBLIC)


@pytest.fixture
def ci(project: Project) -> Caller:
    """Return CI, with a key of the project."""
    return Caller(make_project_key(project))


@pytest.fixture(scope="session")
def validate() -> Validate:
    """Return a function that holds a value against one of the schemas of Bencher's API."""
    if not DOCUMENT.exists():
        pytest.skip("no shared/data/bencher-openapi.json beside the repository")
    components = _with_nulls(json.loads(DOCUMENT.read_text())["components"])

    def validate(schema: str, value: Any) -> None:
        checker = Draft202012Validator(
            {"$ref": f"#/components/schemas/{schema}", "components": components},
            format_checker=Draft202012Validator.FORMAT_CHECKER,
        )
        faults = [
            f"{'/'.join(map(str, fault.absolute_path))}: {fault.message[:200]}"
            for fault in checker.iter_errors(value)
        ]
        assert faults == []

    return validate


def _with_nulls(schema: Any) -> Any:
    """Return OpenAPI 3.0 schemas as JSON schemas, in which null is a type of its own."""
    if isinstance(schema, list):
        return [_with_nulls(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    converted = {key: _with_nulls(part) for key, part in schema.items() if key != "nullable"}
    return {"anyOf": [{"type": "null"}, converted]} if schema.get("nullable") else converted
