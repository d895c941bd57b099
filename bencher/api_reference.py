"""Our OpenAPI document, and a page of it that reads without a script and without the network."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator

Json = dict[str, Any]
_METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter, or a field of a type."""

    name: str
    kind: str
    required: bool
    note: str


@dataclass(frozen=True, slots=True)
class Answer:
    """One status that an operation may answer with."""

    status: str
    kind: str
    note: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path."""

    anchor: str
    method: str
    path: str
    summary: str
    text: str
    parameters: tuple[Field, ...]
    body: str
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Type:
    """A named type of bodies and answers."""

    name: str
    note: str
    fields: tuple[Field, ...]
    values: tuple[str, ...]


@cache
def document() -> Json:
    """Return the OpenAPI document; it is made of code and so the same for the whole process."""
    generator = SchemaGenerator()  # type: ignore[no-untyped-call]
    made: Json = generator.get_schema(public=True)  # type: ignore[no-untyped-call]
    return made


@require_safe
def openapi(request: HttpRequest) -> HttpResponse:
    """Answer with the OpenAPI 3.1 document."""
    return HttpResponse(json.dumps(document(), indent=1), content_type="application/json")


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """Show the document as a page."""
    page = {"operations": list(operations(document())), "types": list(types(document()))}
    return render(request, "api/reference.html", page)


def operations(openapi: Json) -> Iterator[Operation]:
    """Yield every operation of a document, by path."""
    for path, methods in sorted(openapi["paths"].items()):
        for method in _METHODS:
            if method in methods:
                yield _operation(path, method, methods[method])


def types(openapi: Json) -> Iterator[Type]:
    """Yield every named type of a document."""
    for name, schema in sorted(openapi["components"].get("schemas", {}).items()):
        required = schema.get("required", [])
        yield Type(
            name=name,
            note=schema.get("description", ""),
            fields=tuple(
                Field(field, kind(shape), field in required, _constraints(shape))
                for field, shape in schema.get("properties", {}).items()
            ),
            values=tuple(map(str, schema.get("enum", ()))),
        )


def kind(schema: Json) -> str:
    """Return a schema in words: string, list of JsonReport, integer or null."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if options := schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf"):
        return " or ".join(map(kind, options))
    match schema.get("type"):
        case "array":
            return f"list of {kind(schema.get('items', {}))}"
        case "object" if isinstance(schema.get("additionalProperties"), dict):
            return f"map to {kind(schema['additionalProperties'])}"
        case None:
            return " or ".join(map(repr, schema["enum"])) if "enum" in schema else "anything"
        case named:
            return f"{named} ({schema['format']})" if "format" in schema else str(named)


def _operation(path: str, method: str, found: Json) -> Operation:
    body = found.get("requestBody", {}).get("content", {})
    return Operation(
        anchor=found["operationId"],
        method=method.upper(),
        path=path,
        summary=found.get("summary", ""),
        text=found.get("description", ""),
        parameters=tuple(
            Field(
                parameter["name"],
                kind(parameter["schema"]),
                parameter.get("required", False),
                parameter.get("description") or _constraints(parameter["schema"]),
            )
            for parameter in found.get("parameters", ())
        ),
        body=" or ".join(kind(content["schema"]) for content in body.values()),
        answers=tuple(
            Answer(
                status,
                " or ".join(
                    kind(content["schema"]) for content in answer.get("content", {}).values()
                ),
                answer.get("description", ""),
            )
            for status, answer in sorted(found["responses"].items())
        ),
    )


def _constraints(schema: Json) -> str:
    told = {
        "minLength": "at least {} characters",
        "maxLength": "at most {} characters",
        "minItems": "at least {}",
        "maxItems": "at most {}",
        "minimum": "from {}",
        "maximum": "to {}",
        "pattern": "must match {}",
        "default": "{} if not given",
    }
    parts = [text.format(schema[name]) for name, text in told.items() if schema.get(name)]
    return ", ".join([schema.get("description", ""), *parts] if "description" in schema else parts)
