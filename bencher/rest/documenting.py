"""Our OpenAPI document, made from the same types that read requests and write answers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema

View = TypeVar("View", bound=Callable[..., Any])
Schema = dict[str, Any]

_REFERENCE = "#/components/schemas/{name}"
_components: dict[str, Schema] = {}

WHY = {
    400: "The request can't be read; the message names the field.",
    401: "There is no credential, or it is not alive.",
    402: "The organization has no plan that covers private projects.",
    403: "The credential may not do this.",
    404: "There is no such thing, or the credential may not know of it.",
    409: "It contradicts what is there already.",
    410: "It was there and is kept no longer.",
    411: "The body has no length.",
    413: "The body is too large, inflated or not.",
    415: "The body is compressed in a way that is not read here.",
    423: "Billing is not configured on this server.",
    429: "Too many requests; `Retry-After` says for how long.",
    503: "A temporary fault on our side; try again after `Retry-After` seconds.",
}


class Error(msgspec.Struct):
    """What every refusal carries."""

    request_id: str
    message: str
    error_code: str | None = None


def endpoint(
    *,
    summary: str,
    answer: Any = None,
    status: int = 200,
    paged: bool = False,
    body: Any = None,
    query: type[msgspec.Struct] | None = None,
    refusals: Sequence[int] = (400, 401, 403, 404),
    public: bool = False,
    also: Mapping[int, tuple[Any, str]] | None = None,
) -> Callable[[View], View]:
    """Describe one method of an endpoint: what it reads and answers, and how it may refuse.

    `also` has further answers by their status, each a type with what it means.
    """
    shown = list[answer] if paged else answer
    responses: dict[Any, Any] = {
        (status, "application/json") if answer else status: OpenApiResponse(
            _schema(shown) if answer else None, description=summary
        )
    }
    for other, (kind, meaning) in (also or {}).items():
        responses[(other, "application/json")] = OpenApiResponse(_schema(kind), description=meaning)
    for code in (*refusals, 429):
        responses[(code, "application/json")] = OpenApiResponse(
            _schema(Error), description=WHY[code]
        )
    parameters = _parameters(query) if query else []
    if paged:
        parameters.append(
            OpenApiParameter(
                "X-Total-Count",
                int,
                OpenApiParameter.HEADER,
                response=[status],
                description="How many there are in all.",
            )
        )
    described: Callable[[View], View] = extend_schema(
        summary=summary,
        request={"application/json": _schema(body)} if body else None,
        responses=responses,
        parameters=parameters,
        auth=[] if public else None,
    )
    return described


def add_components(result: Schema, **_: Any) -> Schema:
    """Put the types of bodies and answers into the document (a hook of drf-spectacular)."""
    schemas = result.setdefault("components", {}).setdefault("schemas", {})
    schemas.update(sorted(_components.items()))
    return result


def _schema(kind: Any) -> Schema:
    (schema,), components = msgspec.json.schema_components([kind], ref_template=_REFERENCE)
    for name, component in components.items():
        if _components.setdefault(name, component) != component:
            raise TypeError(f"Two different types of the API are called {name}.")
    return schema


def _parameters(query: type[msgspec.Struct]) -> list[OpenApiParameter]:
    _schema(query)
    described = _components[query.__name__]
    return [
        OpenApiParameter(
            name,
            {key: value for key, value in schema.items() if key != "default"},
            OpenApiParameter.QUERY,
            required=name in described.get("required", []),
        )
        for name, schema in described["properties"].items()
    ]


class UserKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Documents bearer keys of users."""

    target_class = "bencher.tenancy.authentication.UserKeyAuthentication"
    name = "userKey"

    def get_security_definition(self, auto_schema: Any) -> Schema:
        """Return the scheme."""
        return {"type": "http", "scheme": "bearer", "description": "bencher_user_…"}


class ProjectKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Documents bearer keys of projects."""

    target_class = "series.authentication.ProjectKeyAuthentication"
    name = "projectKey"

    def get_security_definition(self, auto_schema: Any) -> Schema:
        """Return the scheme."""
        return {"type": "http", "scheme": "bearer", "description": "bencher_run_…"}


class UnknownBearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The guard behind both is no scheme of its own."""

    target_class = "bencher.tenancy.authentication.UnknownBearer"
    name = "unknown"

    def get_security_definition(self, auto_schema: Any) -> list[Schema]:
        """Return nothing to document."""
        return []

    def get_security_requirement(self, auto_schema: Any) -> list[Schema]:
        """Return no requirement."""
        return []
