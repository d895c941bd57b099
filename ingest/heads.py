"""Heads: where a branch starts from, and the versions that it has.

A head that starts from another shares that one's versions up to the start; none is copied.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from django.db import connection

from bencher.db import transaction_required
from bencher.tenancy import slugs
from ingest.models import Branch, Head, Version

MAX_VERSIONS = 255

# The commit's version on the branch's current head, or else the latest one there. Within a head
# later versions have greater ids and numbers, because both are given out under the head's lock.
_FIND_START = """
SELECT branch.id, head.id, coalesce(exact.id, latest.id), coalesce(exact.hash, latest.hash)
FROM ingest_branch branch
JOIN ingest_head head ON head.branch_id = branch.id AND head.replaced_at IS NULL
LEFT JOIN LATERAL (
    SELECT version.id, version.hash FROM ingest_version version
    JOIN ingest_headversion link ON link.version_id = version.id AND link.head_id = head.id
    WHERE version.project_id = branch.project_id AND version.hash = %(commit)s
    LIMIT 1
) exact ON %(commit)s <> ''
LEFT JOIN LATERAL (
    SELECT version.id, version.hash FROM ingest_headversion link
    JOIN ingest_version version ON version.id = link.version_id
    WHERE link.head_id = head.id ORDER BY link.version_id DESC LIMIT 1
) latest ON true
WHERE branch.project_id = %(project)s
  AND (branch.uuid = %(uuid)s OR %(uuid)s IS NULL
       AND (branch.slug = %(name)s OR branch.name = %(name)s))
ORDER BY branch.slug = %(name)s DESC
LIMIT 1
"""

_INSERT = """
WITH head AS (
    INSERT INTO ingest_head (uuid, branch_id, start_head_id, start_version_id, created_at)
    VALUES (%(uuid)s, %(branch)s, %(start_head)s, %(start_version)s, %(now)s)
    RETURNING id
)
INSERT INTO ingest_headversion (head_id, version_id)
SELECT head.id, shared.version_id FROM head, (
    SELECT version_id FROM ingest_headversion
    WHERE head_id = %(start_head)s AND version_id <= %(start_version)s
    ORDER BY version_id DESC LIMIT %(max_versions)s
) shared
"""

_LOCK = "SELECT FROM ingest_head WHERE id = %s AND replaced_at IS NULL FOR NO KEY UPDATE"

_INSERT_VERSION = """
WITH version AS (
    INSERT INTO ingest_version (project_id, number, hash)
    SELECT %(project)s, coalesce((
        SELECT version.number + 1 FROM ingest_headversion link
        JOIN ingest_version version ON version.id = link.version_id
        WHERE link.head_id = %(head)s ORDER BY link.version_id DESC LIMIT 1
    ), 0), %(commit)s
    WHERE %(commit)s = '' OR NOT EXISTS (
        SELECT FROM ingest_version known
        JOIN ingest_headversion link ON link.version_id = known.id AND link.head_id = %(head)s
        WHERE known.project_id = %(project)s AND known.hash = %(commit)s
    )
    RETURNING id, number
), link AS (
    INSERT INTO ingest_headversion (head_id, version_id) SELECT %(head)s, id FROM version
)
SELECT id, number FROM version
"""


_LATEST = """
SELECT head.id, version.id, version.number, version.hash
FROM unnest(%s::bigint[]) AS head (id)
JOIN LATERAL (
    SELECT version.* FROM ingest_headversion link
    JOIN ingest_version version ON version.id = link.version_id
    WHERE link.head_id = head.id ORDER BY link.version_id DESC LIMIT 1
) version ON true
"""


@dataclass(frozen=True, slots=True)
class Start:
    """Where a branch is to start from, as a request says it."""

    branch: str | None = None
    commit: str = ""
    max_versions: int = MAX_VERSIONS
    reset: bool = False


@dataclass(frozen=True, slots=True)
class StartPoint:
    """The version of a head that a new head starts from; nothing where it starts empty."""

    branch_id: int | None = None
    head_id: int | None = None
    version_id: int | None = None
    commit: str = ""
    max_versions: int = MAX_VERSIONS


def find_start(project_id: int, start: Start | None) -> StartPoint:
    """Return the start point that is meant. A branch that is missing or empty starts nothing.

    CI makes a branch and the one it starts from at the same moment: neither must fail. A commit
    that the branch does not have stands for its latest version.
    """
    if start is None or start.branch is None:
        return StartPoint()
    parameters: dict[str, Any] = {
        "project": project_id,
        "name": start.branch,
        "uuid": slugs.uuid_of(start.branch) if len(start.branch) == 36 else None,
        "commit": start.commit.lower(),
    }
    with connection.cursor() as cursor:
        cursor.execute(_FIND_START, parameters)
        row = cursor.fetchone()
    if row is None or row[2] is None:
        return StartPoint()
    branch_id, head_id, version_id, commit = row
    return StartPoint(branch_id, head_id, version_id, commit, start.max_versions)


def replacement(project_id: int, head: Head, start: Start | None) -> StartPoint | None:
    """Return where a new head should start that is to replace this one; None to keep it.

    It is replaced on request, and where another branch is given than it started from, or another
    commit. Without a commit a branch stays where it started, however far the other has moved.
    """
    if start is None or (start.branch is None and not start.reset):
        return None
    wanted = find_start(project_id, start)
    if start.reset:
        return wanted
    if wanted.branch_id is None:
        return None
    if head.start_head is None or head.start_version is None:
        return wanted
    if head.start_head.branch_id != wanted.branch_id:
        return wanted
    same = not start.commit or head.start_version.hash == wanted.commit
    return None if same else wanted


@transaction_required
def begin(branch_id: int, start: StartPoint, *, now: datetime) -> None:
    """Give a branch without a current head one that shares the versions it starts from."""
    with connection.cursor() as cursor:
        cursor.execute(
            _INSERT,
            {
                "uuid": uuid4(),
                "branch": branch_id,
                "start_head": start.head_id,
                "start_version": start.version_id,
                "max_versions": start.max_versions,
                "now": now,
            },
        )


@transaction_required
def replace(head: Head, start: StartPoint, *, now: datetime) -> bool:
    """Begin a new head in place of this one; False where another was faster."""
    if not Head.objects.filter(pk=head.pk, replaced_at=None).update(replaced_at=now):
        return False
    begin(head.branch_id, start, now=now)
    Branch.objects.filter(pk=head.branch_id).update(modified_at=now)
    return True


@transaction_required
def new_version(project_id: int, head: Head, *, commit: str) -> Version | None:
    """Make the next version of a head; None where a concurrent report made it or left the head."""
    with connection.cursor() as cursor:
        # Two reports must not take the same number.
        cursor.execute(_LOCK, [head.pk])
        if cursor.rowcount == 0:
            return None
        cursor.execute(_INSERT_VERSION, {"project": project_id, "head": head.pk, "commit": commit})
        row = cursor.fetchone()
    return None if row is None else Version(id=row[0], number=row[1], hash=commit)


@transaction_required
def move(project_id: int, branch_id: int, start: Start | None, *, now: datetime) -> None:
    """Let a branch start elsewhere, if that is another place than it starts from."""
    # Locked, so that nobody else replaces it in between.
    head = (
        Head.objects.select_for_update(of=("self",), no_key=True)
        .select_related("start_head", "start_version")
        .get(branch_id=branch_id, replaced_at=None)
    )
    wanted = replacement(project_id, head, start)
    if wanted is not None:
        replace(head, wanted, now=now)


def latest_versions(head_ids: Sequence[int]) -> dict[int, Version]:
    """Return the latest version of each head that has one, by the head's id."""
    with connection.cursor() as cursor:
        cursor.execute(_LATEST, [list(head_ids)])
        return {
            head: Version(id=id, number=number, hash=hash)
            for head, id, number, hash in cursor.fetchall()
        }
