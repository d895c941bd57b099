"""Whether an answer is what Bencher's OpenAPI document says, for clients made from it.

The document lies beside the checkout and is not part of it: without it the check is skipped, and
the test says so.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

DOCUMENT = Path(__file__).resolve().parents[3] / "shared/data/bencher-openapi.json"


def check(answer: Any, schema: str) -> None:
    """Assert that an answer, and each item of a list, is valid and has no field too many."""
    if not DOCUMENT.exists():
        pytest.skip(f"Bencher's document is not at {DOCUMENT}: its schemas are not checked.")
    for item in answer if isinstance(answer, list) else [answer]:
        _validator(schema).validate(item)
        known = _schemas()[schema]["properties"]
        assert item.keys() <= known.keys(), f"{schema} has no {item.keys() - known.keys()}"


@cache
def _schemas() -> dict[str, Any]:
    schemas: dict[str, Any] = json.loads(DOCUMENT.read_text())["components"]["schemas"]
    # Our members have roles; its document lists only the one of leaders.
    schemas["OrganizationRole"] = {"type": "string", "enum": ["leader", "member"]}
    return {name: _modern(schema) for name, schema in schemas.items()}


@cache
def _validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator(
        {"$ref": f"#/components/schemas/{schema}", "components": {"schemas": _schemas()}},
        format_checker=Draft202012Validator.FORMAT_CHECKER,
    )


def _modern(schema: Any) -> Any:
    """Return an OpenAPI 3.0 schema as JSON Schema, where null is a type of its own."""
    if isinstance(schema, list):
        return [_modern(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    modern = {key: _modern(value) for key, value in schema.items() if key != "nullable"}
    return {"anyOf": [modern, {"type": "null"}]} if schema.get("nullable") is True else modern
