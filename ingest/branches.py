"""Branches, their heads, and the versions that reports belong to."""

from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Max

from bencher.db import transaction_required
from bencher.tenancy import slugs
from ingest.models import Branch, Head, HeadVersion, Version
from series.dimensions import NoSuchEntityError


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a project's history a report belongs."""

    branch: Branch
    head: Head
    version: Version


@transaction_required
def place(project_id: int, *, branch: str, commit: str | None, now: datetime) -> Place:
    """Return the branch, its current head and the version of a commit, made where needed.

    Without a commit every report is a version of its own.
    """
    row = _find(project_id, branch) or _make(project_id, branch, now=now)
    if row.archived_at is not None:
        Branch.objects.filter(pk=row.pk).update(archived_at=None, modified_at=now)
    head = row.heads.get(replaced_at=None)
    return Place(branch=row, head=head, version=_version(project_id, head, commit))


def _find(project_id: int, name: str) -> Branch | None:
    branches = Branch.objects.filter(project_id=project_id)
    if len(name) == 36 and (uuid := slugs.uuid_of(name)) is not None:
        found = branches.filter(uuid=uuid).first()
        if found is None:
            raise NoSuchEntityError("branch", str(uuid))
        return found
    return branches.filter(slug=name).first() or branches.filter(name=name).first()


def _make(project_id: int, name: str, *, now: datetime) -> Branch:
    taken = Branch.objects.filter(project_id=project_id)
    slug = slugs.free_slug(name, taken=lambda slug: taken.filter(slug=slug).exists())
    try:
        with transaction.atomic():
            branch = Branch.objects.create(
                project_id=project_id, name=name, slug=slug, created_at=now, modified_at=now
            )
            Head.objects.create(branch=branch, created_at=now)
    except IntegrityError:
        # A concurrent report made it, or took its slug; its commit was waited for.
        return _find(project_id, name) or _make(project_id, name, now=now)
    return branch


def _version(project_id: int, head: Head, commit: str | None) -> Version:
    if commit is not None:
        known = Version.objects.filter(heads__head=head, hash=commit.lower()).first()
        if known is not None:
            return known
    # Only a new version needs the lock: two reports must not take the same number.
    Head.objects.select_for_update().get(pk=head.pk)
    versions = Version.objects.filter(heads__head=head)
    if commit is not None and (known := versions.filter(hash=commit.lower()).first()):
        return known
    last = versions.aggregate(last=Max("number"))["last"]
    version = Version.objects.create(
        project_id=project_id,
        number=0 if last is None else last + 1,
        hash=commit.lower() if commit else "",
    )
    HeadVersion.objects.create(head=head, version=version)
    return version
