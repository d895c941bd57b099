"""Finding benchmarks, measures and testbeds by name in bulk, and making those that are new.

Known names cost one read and no write. New ones are inserted in sorted order, so that concurrent
reports with the same new names wait for one another instead of deadlocking.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from bencher.db import transaction_required
from bencher.tenancy import slugs
from series.models import Benchmark, Dimension, Measure, Testbed

# A name is tried as a UUID, then as a slug, then as a name: later rows overrule earlier ones.
_FIND = """
SELECT id, name, archived_at IS NOT NULL FROM {table}
WHERE project_id = %(project)s AND name = ANY(%(names)s::text[])
UNION ALL
SELECT id, slug, archived_at IS NOT NULL FROM {table}
WHERE project_id = %(project)s AND slug = ANY(%(slugs)s::text[])
UNION ALL
SELECT id, uuid::text, archived_at IS NOT NULL FROM {table}
WHERE project_id = %(project)s AND uuid = ANY(%(uuids)s::uuid[])
"""

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


@dataclass(frozen=True, slots=True)
class NewMeasure:
    """How a measure that a report names for the first time is to be made.

    Without a slug of its own it gets that of its name.
    """

    name: str
    units: str
    slug: str = ""


@dataclass(frozen=True, slots=True)
class _Kind:
    model: type[Dimension]
    describe: Callable[[str], NewMeasure] | None = None

    @property
    def table(self) -> str:
        return self.model._meta.db_table

    @property
    def name(self) -> str:
        return str(self.model._meta.verbose_name)

    def title(self, name: str) -> str:
        """Return the name that an entity is made under; built-in measures have their own."""
        return self.describe(name).name if self.describe else name


def testbed(project_id: int, name: str, *, now: datetime) -> int:
    """Return the id of a testbed, made or unarchived where needed."""
    return _resolve(_Kind(Testbed), project_id, [name], now=now)[name]


def benchmarks(project_id: int, names: Iterable[str], *, now: datetime) -> dict[str, int]:
    """Return the id of each benchmark by the name it was given."""
    return _resolve(_Kind(Benchmark), project_id, names, now=now)


def measures(
    project_id: int,
    names: Iterable[str],
    *,
    describe: Callable[[str], NewMeasure],
    now: datetime,
) -> dict[str, int]:
    """Return the id of each measure by the name it was given; `describe` tells of new ones."""
    return _resolve(_Kind(Measure, describe), project_id, names, now=now)


@transaction_required
def _resolve(
    kind: _Kind, project_id: int, names: Iterable[str], *, now: datetime
) -> dict[str, int]:
    wanted = sorted(set(names))
    found = _find(kind, project_id, wanted, now=now)
    missing = [name for name in wanted if name not in found]
    for attempt in range(_ATTEMPTS):
        if not missing:
            break
        _insert(kind, project_id, missing, always_suffix=attempt > 0, now=now)
        # By title too: where another measure has that name, it is the one that is meant.
        titles = {kind.title(name): name for name in missing}
        made = _find(kind, project_id, list({*missing, *titles}), now=now)
        found |= made | {titles[title]: made[title] for title in titles if title in made}
        missing = [name for name in missing if name not in found]
    return found


def _find(kind: _Kind, project_id: int, names: Sequence[str], *, now: datetime) -> dict[str, int]:
    # Only 36 characters with dashes: shorter spellings of a UUID are names.
    by_uuid = {
        str(uuid): name
        for name in names
        if len(name) == 36 and (uuid := slugs.uuid_of(name)) is not None
    }
    with connection.cursor() as cursor:
        cursor.execute(
            _FIND.format(table=kind.table),
            {
                "project": project_id,
                "names": list(names),
                "slugs": [name for name in names if slugs.is_slug(name)],
                "uuids": list(by_uuid),
            },
        )
        rows = cursor.fetchall()
    found = {by_uuid.get(key, key): id for id, key, _ in rows}
    _unarchive(kind, [id for id, _, archived in rows if archived], now=now)
    for text, name in by_uuid.items():
        if name not in found:
            raise NoSuchEntityError(kind.name, text)
    return found


def _unarchive(kind: _Kind, ids: list[int], *, now: datetime) -> None:
    # What reports again is in use again.
    if ids:
        kind.model._default_manager.filter(pk__in=ids).update(archived_at=None, modified_at=now)


def _insert(
    kind: _Kind, project_id: int, names: Sequence[str], *, always_suffix: bool, now: datetime
) -> None:
    new = [kind.describe(name) for name in names] if kind.describe else []
    # Built-in measures are called by their slug and made under their name.
    titles = [measure.name for measure in new] or list(names)
    wanted = [measure.slug for measure in new] or [""] * len(titles)
    wanted = [slug or slugs.slug_of(title) for slug, title in zip(wanted, titles, strict=True)]
    parameters: dict[str, Any] = {
        "project": project_id,
        "names": titles,
        "slugs": _free_slugs(kind, project_id, wanted, always_suffix=always_suffix),
        "units": [measure.units for measure in new],
        "now": now,
    }
    statement = _INSERT.format(
        table=kind.table,
        column=", units" if new else "",
        array=", %(units)s::text[]" if new else "",
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def _free_slugs(
    kind: _Kind, project_id: int, wanted: Sequence[str], *, always_suffix: bool
) -> list[str]:
    taken = set(
        kind.model._default_manager.filter(project_id=project_id, slug__in=wanted).values_list(
            "slug", flat=True
        )
    )
    free = []
    for slug in wanted:
        mine = slugs.with_suffix(slug) if always_suffix or not slug or slug in taken else slug
        taken.add(mine)
        free.append(mine)
    return free
