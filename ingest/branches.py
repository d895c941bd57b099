"""Where in a project's history a report belongs: its branch, head and version, made where needed.

What is known costs one read and no lock. Whoever makes a version or replaces a head locks the
current head first, so that numbers are unique and a branch has one current head. A lock that was
waited for makes what was read before it old, so it is read again.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from django.db import connection

from bencher.db import transaction_required
from bencher.tenancy import slugs
from ingest import heads
from ingest.heads import Start
from ingest.models import Branch, Head, Version
from series.dimensions import NoSuchEntityError

_FIND = """
SELECT branch.id, branch.uuid, branch.name, branch.slug, branch.created_at, branch.modified_at,
       branch.archived_at, head.id, head.uuid, head.created_at,
       start_branch.id, start_branch.uuid, start_head.id, start_head.uuid,
       start_version.id, start_version.number, start_version.hash,
       version.id, version.number
FROM ingest_branch branch
JOIN ingest_head head ON head.branch_id = branch.id AND head.replaced_at IS NULL
LEFT JOIN ingest_head start_head ON start_head.id = head.start_head_id
LEFT JOIN ingest_branch start_branch ON start_branch.id = start_head.branch_id
LEFT JOIN ingest_version start_version ON start_version.id = head.start_version_id
LEFT JOIN LATERAL (
    SELECT version.id, version.number FROM ingest_version version
    JOIN ingest_headversion link ON link.version_id = version.id AND link.head_id = head.id
    WHERE version.project_id = branch.project_id AND version.hash = %(commit)s
    LIMIT 1
) version ON %(commit)s <> ''
WHERE branch.project_id = %(project)s AND {condition}
"""
_BY_UUID = "branch.uuid = %(name)s::uuid"
_BY_NAME = "(branch.slug = %(name)s OR branch.name = %(name)s) ORDER BY branch.slug = %(name)s DESC"

_INSERT = """
INSERT INTO ingest_branch (uuid, project_id, name, slug, created_at, modified_at)
VALUES (%(uuid)s, %(project)s, %(name)s, %(slug)s, %(now)s, %(now)s)
ON CONFLICT DO NOTHING RETURNING id
"""

# A branch, a slug or a head can be lost to a concurrent report more than once, but not often.
_ATTEMPTS = 5


class ContendedError(RuntimeError):
    """A branch changed under every attempt to report to it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a project's history a report belongs."""

    branch: Branch
    head: Head
    version: Version


@dataclass(frozen=True, slots=True)
class Current:
    """A branch at its current head, with the version of a commit there, if there is one."""

    branch: Branch
    head: Head
    version: Version | None


@transaction_required
def place(
    project_id: int,
    *,
    branch: str,
    commit: str | None,
    start: Start | None = None,
    now: datetime,
) -> Place:
    """Return the branch, its current head and the version of a commit, made where needed.

    Without a commit every report is a version of its own. A start point that is another than the
    head's begins a new head. Raises NoSuchEntityError.
    """
    commit = (commit or "").lower()
    slug_is_lost = False
    for _ in range(_ATTEMPTS):
        found = find(project_id, branch, commit=commit)
        if found is None:
            slug_is_lost = not make(
                project_id, name=branch, start=start, always_suffix=slug_is_lost, now=now
            )
            continue
        _unarchive(found.branch, now=now)
        replacement = heads.replacement(project_id, found.head, start)
        if replacement is not None:
            if heads.replace(found.head, replacement, now=now):
                # The new head must not be reset again when it is looked at.
                start = None
            continue
        version = found.version or heads.new_version(project_id, found.head, commit=commit)
        if version is not None:
            return Place(branch=found.branch, head=found.head, version=version)
    raise ContendedError(f"Branch {branch!r} changes too fast; try again.")


def find(project_id: int, name: str, *, commit: str = "") -> Current | None:
    """Return the branch that is meant: by its UUID, else by its slug, else by its name.

    Raises NoSuchEntityError for a UUID that no branch has.
    """
    # Only 36 characters with dashes: shorter spellings of a UUID are names.
    uuid = slugs.uuid_of(name) if len(name) == 36 else None
    with connection.cursor() as cursor:
        cursor.execute(
            _FIND.format(condition=_BY_UUID if uuid else _BY_NAME),
            {"project": project_id, "name": name, "commit": commit},
        )
        row = cursor.fetchone()
    if row is None and uuid is not None:
        raise NoSuchEntityError("branch", str(uuid))
    return None if row is None else _current(project_id, row, commit=commit)


@transaction_required
def make(
    project_id: int,
    *,
    name: str,
    slug: str = "",
    start: Start | None,
    always_suffix: bool = False,
    now: datetime,
) -> UUID | None:
    """Make a branch with its first head; None where its name or slug was just taken.

    The transaction that took it has been waited for.
    """
    taken = Branch.objects.filter(project_id=project_id)
    wanted = slug or slugs.slug_of(name)
    if always_suffix or not wanted or taken.filter(slug=wanted).exists():
        wanted = slugs.with_suffix(wanted)
    uuid = uuid4()
    with connection.cursor() as cursor:
        cursor.execute(
            _INSERT,
            {"uuid": uuid, "project": project_id, "name": name, "slug": wanted, "now": now},
        )
        row = cursor.fetchone()
    if row is None:
        return None
    heads.begin(row[0], heads.find_start(project_id, start), now=now)
    return uuid


def _unarchive(branch: Branch, *, now: datetime) -> None:
    # What reports again is in use again.
    if branch.archived_at is not None:
        branch.archived_at, branch.modified_at = None, now
        branch.save(update_fields=["archived_at", "modified_at"])


def _current(project_id: int, row: tuple[Any, ...], *, commit: str) -> Current:
    branch_fields = ("id", "uuid", "name", "slug", "created_at", "modified_at", "archived_at")
    branch = Branch(project_id=project_id, **dict(zip(branch_fields, row[:7], strict=True)))
    head = Head(id=row[7], uuid=row[8], branch=branch, created_at=row[9])
    if row[12] is not None:
        start_branch = Branch(id=row[10], uuid=row[11], project_id=project_id)
        head.start_head = Head(id=row[12], uuid=row[13], branch=start_branch)
        head.start_version = Version(id=row[14], number=row[15], hash=row[16])
    version = Version(id=row[17], number=row[18], hash=commit) if row[17] is not None else None
    for stored in (branch, head):
        stored._state.adding = False
    return Current(branch=branch, head=head, version=version)
