"""Finding testbeds, benchmarks and measures by name in bulk, and making those that are new.

Known names cost one read for all three kinds and no write. New ones are inserted in sorted order,
so that concurrent reports with the same new names wait for one another instead of deadlocking.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from bencher.db import transaction_required
from bencher.tenancy import slugs
from series.models import Benchmark, Dimension, Measure, Testbed

# A slug is looked for among the names too, so a row whose slug is its name was found by then.
_FIND = {
    "names": "name = ANY(%(names_{kind})s::text[])",
    "slugs": "slug = ANY(%(slugs_{kind})s::text[]) AND slug <> name",
    "uuids": "uuid = ANY(%(uuids_{kind})s::uuid[])",
}
_SELECT = """
SELECT '{kind}', {columns} FROM {table} WHERE project_id = %(project)s AND {condition}
"""
# Instants as microseconds: the driver takes longer for ten thousand of them than PostgreSQL does
# for finding their rows.
_COLUMNS = """id, uuid, name, slug, {units}, (extract(epoch FROM created_at) * 1000000)::bigint,
    (extract(epoch FROM modified_at) * 1000000)::bigint, archived_at"""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_INSERT = """
INSERT INTO {table} (uuid, project_id, name, slug, created_at, modified_at{column})
SELECT gen_random_uuid(), %(project)s, name, slug, %(now)s, %(now)s{column}
FROM unnest(%(names)s::text[], %(slugs)s::text[]{array}) AS new (name, slug{column})
ORDER BY name
ON CONFLICT DO NOTHING
"""

# A slug can be lost to a concurrent report more than once, but not often.
_ATTEMPTS = 5


class NoSuchEntityError(LookupError):
    """A report names an entity by a UUID that its project does not have."""

    def __init__(self, kind: str, uuid: str) -> None:
        super().__init__(f"This project has no {kind} with the UUID {uuid}.")


class Entity(NamedTuple):
    """A testbed, benchmark or measure as it is stored."""

    id: int
    uuid: UUID
    name: str
    slug: str
    units: str
    created_at: datetime
    modified_at: datetime
    archived_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewMeasure:
    """How a measure that a report names for the first time is to be made.

    Without a slug of its own it gets that of its name.
    """

    name: str
    units: str
    slug: str = ""


Describe = Callable[[str], NewMeasure]


@dataclass(frozen=True, slots=True)
class Wanted:
    """The names that a report gives; `describe` tells of measures that are new."""

    testbed: str
    benchmarks: Iterable[str]
    measures: Iterable[str]
    describe: Describe


@dataclass(slots=True)
class Found:
    """What the names of a report mean, by the name that was given. What is new may be missing."""

    testbeds: dict[str, Entity] = field(default_factory=dict)
    benchmarks: dict[str, Entity] = field(default_factory=dict)
    measures: dict[str, Entity] = field(default_factory=dict)


class _Names:
    """The names of one kind that are wanted."""

    def __init__(
        self,
        kind: str,
        model: type[Dimension],
        names: Iterable[str],
        describe: Describe | None = None,
    ) -> None:
        self.kind = kind
        self.model = model
        self.describe = describe
        self.names = sorted(set(names))
        # Only 36 characters with dashes: shorter spellings of a UUID are names.
        self.uuids = {
            name: uuid
            for name in self.names
            if len(name) == 36 and (uuid := slugs.uuid_of(name)) is not None
        }

    @property
    def table(self) -> str:
        return self.model._meta.db_table

    def title(self, name: str) -> str:
        """Return the name that an entity is made under; built-in measures have their own."""
        return self.describe(name).name if self.describe else name

    def parameters(self) -> Iterator[tuple[str, list[Any]]]:
        """Yield what to look for, by the column to look in."""
        yield "names", [*{*self.names, *map(self.title, self.names)}]
        yield "slugs", [name for name in self.names if slugs.is_slug(name)]
        yield "uuids", [*self.uuids.values()]

    def match(self, rows: Sequence[Entity]) -> dict[str, Entity]:
        """Return the row that each name means: tried as a UUID, then as a slug, then as a name.

        Where another measure has the name of a built-in one, it is the one that is meant.
        Raises NoSuchEntityError.
        """
        by_name = {row.name: row for row in rows}
        by_slug = {row.slug: row for row in rows}
        if self.uuids:
            by_uuid = {row.uuid: row for row in rows}
            for name, uuid in self.uuids.items():
                if uuid not in by_uuid:
                    raise NoSuchEntityError(self.kind, str(uuid))
                by_slug[name] = by_uuid[uuid]
        found = {}
        for name in self.names:
            row = by_slug.get(name) or by_name.get(name) or by_name.get(self.title(name))
            if row is not None:
                found[name] = row
        return found


def find(project_id: int, wanted: Wanted) -> Found:
    """Return what is known of the names, in one statement. Writes and locks nothing.

    Raises NoSuchEntityError.
    """
    return _found(_find(project_id, _kinds(wanted)))


@transaction_required
def resolve(project_id: int, wanted: Wanted, *, now: datetime) -> Found:
    """Return what the names mean, each made or unarchived where needed.

    Raises NoSuchEntityError.
    """
    kinds = _kinds(wanted)
    found = _find(project_id, kinds)
    for names, known in zip(kinds, found, strict=True):
        _unarchive(names, known, now=now)
        if len(known) < len(names.names):
            _make(project_id, names, known, now=now)
    return _found(found)


def _kinds(wanted: Wanted) -> list[_Names]:
    # In the order in which they are made, which is the order of locks.
    return [
        _Names("testbed", Testbed, [wanted.testbed]),
        _Names("benchmark", Benchmark, wanted.benchmarks),
        _Names("measure", Measure, wanted.measures, wanted.describe),
    ]


def _found(found: Sequence[dict[str, Entity]]) -> Found:
    testbeds, benchmarks, measures = found
    return Found(testbeds=testbeds, benchmarks=benchmarks, measures=measures)


def _find(project_id: int, kinds: Sequence[_Names]) -> list[dict[str, Entity]]:
    parts: list[str] = []
    parameters: dict[str, Any] = {"project": project_id}
    for names in kinds:
        for column, values in names.parameters():
            if values:
                condition = _FIND[column].format(kind=names.kind)
                parts.append(
                    _SELECT.format(
                        kind=names.kind,
                        columns=_columns(names.model),
                        table=names.table,
                        condition=condition,
                    )
                )
                parameters[f"{column}_{names.kind}"] = values
    rows: dict[str, list[Entity]] = {names.kind: [] for names in kinds}
    with connection.cursor() as cursor:
        cursor.execute("UNION ALL".join(parts), parameters)
        found = cursor.fetchall()
    instants = _Instants()
    for kind, *row in found:
        rows[kind].append(instants.entity(row))
    return [names.match(rows[names.kind]) for names in kinds]


def _unarchive(names: _Names, found: dict[str, Entity], *, now: datetime) -> None:
    # What reports again is in use again.
    archived = {name: row for name, row in found.items() if row.archived_at is not None}
    if archived:
        names.model._default_manager.filter(pk__in={row.id for row in archived.values()}).update(
            archived_at=None, modified_at=now
        )
        for name, row in archived.items():
            found[name] = row._replace(archived_at=None, modified_at=now)


def _make(project_id: int, names: _Names, found: dict[str, Entity], *, now: datetime) -> None:
    for attempt in range(_ATTEMPTS):
        missing = [name for name in names.names if name not in found]
        if not missing:
            return
        _insert(project_id, names, missing, always_suffix=attempt > 0, now=now)
        again = _Names(names.kind, names.model, missing, names.describe)
        (made,) = _find(project_id, [again])
        found |= made


def _insert(
    project_id: int, names: _Names, missing: Sequence[str], *, always_suffix: bool, now: datetime
) -> None:
    new = [names.describe(name) for name in missing] if names.describe else []
    # Built-in measures are called by their slug and made under their name.
    titles = [measure.name for measure in new] or list(missing)
    wanted = [measure.slug for measure in new] or [""] * len(titles)
    wanted = [slug or slugs.slug_of(title) for slug, title in zip(wanted, titles, strict=True)]
    parameters: dict[str, Any] = {
        "project": project_id,
        "names": titles,
        "slugs": _free_slugs(project_id, names, wanted, always_suffix=always_suffix),
        "units": [measure.units for measure in new],
        "now": now,
    }
    statement = _INSERT.format(
        table=names.table,
        column=", units" if new else "",
        array=", %(units)s::text[]" if new else "",
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def _free_slugs(
    project_id: int, names: _Names, wanted: Sequence[str], *, always_suffix: bool
) -> list[str]:
    taken = set(
        names.model._default_manager.filter(project_id=project_id, slug__in=wanted).values_list(
            "slug", flat=True
        )
    )
    free = []
    for slug in wanted:
        mine = slugs.with_suffix(slug) if always_suffix or not slug or slug in taken else slug
        taken.add(mine)
        free.append(mine)
    return free


def benchmarks_by_id(ids: Iterable[int]) -> dict[int, Entity]:
    """Return benchmarks by their ids."""
    return _by_id(Benchmark, ids)


def measures_by_id(ids: Iterable[int]) -> dict[int, Entity]:
    """Return measures by their ids."""
    return _by_id(Measure, ids)


def _by_id(model: type[Dimension], ids: Iterable[int]) -> dict[int, Entity]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {_columns(model)} FROM {model._meta.db_table}"  # noqa: S608 - constants
            " WHERE id = ANY(%s::bigint[])",
            [sorted(ids)],
        )
        found = cursor.fetchall()
    instants = _Instants()
    return {row[0]: instants.entity(row) for row in found}


def _columns(model: type[Dimension]) -> str:
    return _COLUMNS.format(units="units" if model is Measure else "''")


class _Instants(dict[int, datetime]):
    """Instants by their microseconds; what was made together has one and the same."""

    def __missing__(self, microseconds: int) -> datetime:
        at = self[microseconds] = _EPOCH + timedelta(microseconds=microseconds)
        return at

    def entity(self, row: Sequence[Any]) -> Entity:
        """Return the entity of a row."""
        id, uuid, name, slug, units, created, modified, archived_at = row
        return Entity(id, uuid, name, slug, units, self[created], self[modified], archived_at)
