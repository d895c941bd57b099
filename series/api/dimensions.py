"""What the endpoints of testbeds, benchmarks and measures share, which is nearly all."""

from collections.abc import Callable
from typing import TypeVar

from django.http import HttpResponse
from rest_framework.exceptions import NotFound
from rest_framework.request import Request

from bencher.errors import ApiError
from bencher.rest import answering, paging, reading, searching
from bencher.rest.paging import Direction
from bencher.tenancy.permissions import Permission
from series import access, curating
from series.models import Dimension
from series.wire import DimensionsPage

Entity = TypeVar("Entity", bound=Dimension)

READ_REFUSALS = (400, 401, 404)
WRITE_REFUSALS = (400, 401, 403, 404, 409, 411, 413, 415)
REMOVE_REFUSALS = (401, 403, 404, 409)


def page(
    request: Request, project: str, model: type[Entity], write: Callable[[Entity], object]
) -> HttpResponse:
    """Answer with a page of entities, by name: those in use, or the archived ones."""
    found = access.project(request, project, Permission.VIEW)
    asked = reading.query(request, DimensionsPage)
    entities = curating.of(model, found).filter(archived_at__isnull=not asked.archived)
    rows, total = paging.rows(
        searching.narrow(entities, asked), asked, sort="name", default=Direction.ASC
    )
    return answering.page(map(write, rows), total=total)


def find(
    request: Request,
    project: str,
    identifier: str,
    *,
    model: type[Entity],
    permission: Permission,
) -> Entity:
    """Return an entity that the caller may do that to. Raises 404 beside what access raises."""
    found = access.project(request, project, permission)
    entity = curating.find(model, found, identifier)
    if entity is None:
        kind = model._meta.verbose_name
        raise NotFound(f"Project {found.slug} has no {kind} {identifier!r}.")
    return entity


def add(entity: Entity, *, slug: str | None) -> Entity:
    """Store a new entity. Raises 409 where its name is taken."""
    try:
        return curating.add(entity, slug=slug)
    except curating.TakenError as error:
        raise ApiError(409, str(error)) from error


def remove(entity: Dimension) -> HttpResponse:
    """Remove an entity and answer. Raises 409 where it was reported to."""
    try:
        curating.remove(entity)
    except curating.InUseError as error:
        raise ApiError(409, str(error)) from error
    return answering.nothing()
