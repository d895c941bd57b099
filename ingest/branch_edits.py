"""Making, changing and removing branches one by one, by hand. Reports make them in passing."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from bencher.tenancy import slugs
from ingest import branches, heads
from ingest.answers import JsonBranch, branch
from ingest.heads import Start
from ingest.models import Branch, Head, HeadVersion, Report, Version
from series.models import Project


class TakenError(Exception):
    """Another branch of the project has the name or the slug."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The name or the slug of {name!r} is taken by another branch of this project, maybe"
            " an archived one."
        )


class InUseError(Exception):
    """The branch has reports, and removing it would take them away."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The branch {name!r} has been reported to and is kept: its reports, deleted ones too,"
            ' prove what was billed. Archive it instead: PATCH {"archived": true}.'
        )


@dataclass(frozen=True, slots=True)
class Change:
    """What is to change in a branch; None leaves what it is."""

    name: str | None = None
    slug: str | None = None
    archived: bool | None = None
    start: Start | None = None


def of(project: Project) -> QuerySet[Branch]:
    """Return all branches of a project."""
    return Branch.objects.filter(project=project)


def find(project: Project, identifier: str) -> Branch | None:
    """Return the branch with that UUID or slug, None where the project has none."""
    return slugs.find(of(project), identifier)


def show(project: Project, found: Iterable[Branch]) -> list[JsonBranch]:
    """Return branches at their current heads and latest versions."""
    ids = [row.pk for row in found]
    current = {
        head.branch_id: head for head in _heads(project).filter(branch__in=ids, replaced_at=None)
    }
    latest = heads.latest_versions([head.pk for head in current.values()])
    return [branch(current[id], latest.get(current[id].pk), project=project.uuid) for id in ids]


def show_at(project: Project, found: Branch, head: str) -> JsonBranch | None:
    """Return a branch at one of its heads, the current or an old one; None for no such head."""
    uuid = slugs.uuid_of(head)
    row = uuid and _heads(project).filter(branch=found, uuid=uuid).first()
    if not row:
        return None
    return branch(row, heads.latest_versions([row.pk]).get(row.pk), project=project.uuid)


def add(
    project: Project, *, name: str, slug: str | None, start: Start | None, now: datetime
) -> Branch:
    """Make a branch; a slug that is taken gets a suffix. Raises TakenError."""
    with transaction.atomic(durable=True):
        # A slug that is lost to a concurrent request gets its suffix the second time.
        for always_suffix in (False, True):
            if of(project).filter(name=name).exists():
                break
            uuid = branches.make(
                project.pk,
                name=name,
                slug=slug or "",
                start=start,
                always_suffix=always_suffix,
                now=now,
            )
            if uuid is not None:
                return of(project).get(uuid=uuid)
    raise TakenError(name)


def change(project: Project, found: Branch, asked: Change, *, now: datetime) -> None:
    """Rename a branch, archive or unarchive it, or let it start elsewhere. Raises TakenError."""
    changes: dict[str, object] = {"modified_at": now}
    if asked.name is not None:
        changes["name"] = asked.name
    if asked.slug is not None:
        changes["slug"] = asked.slug
    if asked.archived is not None and asked.archived != (found.archived_at is not None):
        changes["archived_at"] = now if asked.archived else None
    try:
        with transaction.atomic(durable=True):
            # Nothing else is written: a report may be unarchiving it at this moment.
            of(project).filter(pk=found.pk).update(**changes)
            heads.move(project.pk, found.pk, asked.start, now=now)
    except IntegrityError as error:
        raise TakenError(asked.name or found.name) from error
    found.refresh_from_db()


def remove(found: Branch) -> None:
    """Remove a branch that was never reported to. Raises InUseError."""
    own = Head.objects.filter(branch=found)
    try:
        with transaction.atomic(durable=True):
            if Report.objects.filter(head__in=own).exists():
                raise InUseError(found.name)
            # Branches that started here keep the versions they share.
            Head.objects.filter(start_head__in=own).update(start_head=None, start_version=None)
            shared = HeadVersion.objects.filter(head__in=own).values_list("version_id", flat=True)
            versions = list(shared)
            HeadVersion.objects.filter(head__in=own).delete()
            own.delete()
            Branch.objects.filter(pk=found.pk).delete()
            Version.objects.filter(pk__in=versions, heads=None).delete()
    except IntegrityError as error:
        # A report came to it meanwhile.
        raise InUseError(found.name) from error


def _heads(project: Project) -> QuerySet[Head]:
    return Head.objects.filter(branch__project=project).select_related(
        "branch", "start_head__branch", "start_version"
    )
