"""Making, changing and removing testbeds, benchmarks and measures one by one, by hand.

Reports make them in bulk and by name (`series.dimensions`).
"""

from datetime import datetime
from typing import TypeVar

from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet

from bencher.tenancy import slugs
from series.models import Benchmark, Dimension, Project, SeriesLastSeen, Testbed

Entity = TypeVar("Entity", bound=Dimension)


class TakenError(Exception):
    """Another entity of that kind has the name or the slug in this project."""

    def __init__(self, entity: Dimension) -> None:
        super().__init__(
            f"The name {entity.name!r} or the slug {entity.slug!r} is taken by another"
            f" {_kind(entity)} of this project, maybe an archived one."
        )


class InUseError(Exception):
    """The entity has a series or a report; removing it would rewrite history."""

    def __init__(self, entity: Dimension) -> None:
        super().__init__(
            f"The {_kind(entity)} {entity.name!r} has been reported to and is kept: it proves"
            ' what was billed. Archive it instead: PATCH {"archived": true}.'
        )


def of(model: type[Entity], project: Project) -> QuerySet[Entity]:
    """Return all entities of a kind in a project."""
    return model._default_manager.filter(project=project).select_related("project")


def find(model: type[Entity], project: Project, identifier: str) -> Entity | None:
    """Return the entity with that UUID or slug, None where the project has none."""
    return slugs.find(of(model, project), identifier)


def add(entity: Entity, *, slug: str | None) -> Entity:
    """Store a new entity; its slug gets a suffix where it is taken. Raises TakenError."""
    beside = type(entity)._default_manager.filter(project=entity.project)
    entity.slug = slugs.free_slug(
        entity.name,
        taken=lambda slug: beside.filter(slug=slug).exists(),
        preferred=slug or "",
    )
    try:
        with transaction.atomic():
            entity.save(force_insert=True)
    except IntegrityError as error:
        raise TakenError(entity) from error
    return entity


def change(
    entity: Dimension,
    *,
    name: str | None,
    slug: str | None,
    archived: bool | None,
    now: datetime,
    units: str | None = None,
) -> None:
    """Rename an entity, give it another slug, archive or unarchive it; None leaves what it is.

    Its series stay its own. Raises TakenError.
    """
    asked = {"name": name, "slug": slug, "units": units}
    changes: dict[str, object] = {field: value for field, value in asked.items() if value}
    if archived is not None and archived != (entity.archived_at is not None):
        changes["archived_at"] = now if archived else None
    for field, value in {**changes, "modified_at": now}.items():
        setattr(entity, field, value)
    try:
        with transaction.atomic():
            # Nothing else is written: a report may be unarchiving it at this moment.
            entity.save(update_fields=[*changes, "modified_at"])
    except IntegrityError as error:
        raise TakenError(entity) from error


def remove(entity: Dimension) -> None:
    """Remove an entity that was never reported to. Raises InUseError.

    Known use is found through the ledger's key. Only what has none reaches the foreign keys, which
    have no index to look it up in: that costs a scan, but is sure, whoever refers to the entity.
    """
    if _has_series(entity):
        raise InUseError(entity)
    try:
        with transaction.atomic():
            of(type(entity), entity.project).filter(pk=entity.pk)._raw_delete(connection.alias)
            # They are deferred, and the refusal must come before the answer.
            connection.check_constraints()
    except IntegrityError as error:
        raise InUseError(entity) from error


def _has_series(entity: Dimension) -> bool:
    series = SeriesLastSeen.objects.filter(organization_id=entity.project.organization_id)
    if isinstance(entity, Testbed):
        return series.filter(testbed=entity).exists()
    # The key leads with the testbed, of which a project has few.
    series = series.filter(testbed__in=Testbed.objects.filter(project=entity.project))
    if isinstance(entity, Benchmark):
        return series.filter(benchmark=entity).exists()
    return series.filter(measure_id=entity.pk).exists()


def _kind(entity: Dimension) -> str:
    return str(entity._meta.verbose_name)
