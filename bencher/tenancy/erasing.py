"""Erasing an organization or a person: what names them becomes blank, and every figure stays.

Each app registers the rows it holds, as tenancy knows none of them. Whoever is erased keeps a row
with its id and UUID, so that what refers to it still does. An entity's name and slug become its
UUID, because names must be unique and pages need some; everything else becomes empty.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any, Protocol

from allauth.account.models import EmailAddress
from allauth.account.utils import user_pk_to_url_str
from allauth.mfa.models import Authenticator
from django.contrib.admin.models import LogEntry
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import CharField, Q, QuerySet, Value
from django.db.models.functions import Cast, Coalesce, Concat

from bencher.models import Change
from bencher.tenancy import deletion, slugs
from bencher.tenancy.models import Invitation, Membership, Organization, Role, User, UserKey

Subject = Organization | User

# Of an entity that has a UUID; statement lines and other texts become empty instead.
UUID_AS_TEXT = Cast("uuid", CharField())


class RefusedError(Exception):
    """Something has to be done before this one can be erased; the message says what."""


class Stage(IntEnum):
    """What comes before what: the row itself is last, so that a stopped run can be repeated."""

    PREPARE = 0
    END = 1
    BLANK = 2
    ITSELF = 3


class Part(Protocol):
    """One kind of rows to erase. Both methods count rows, and only those with something left."""

    @property
    def what(self) -> str:
        """Return what the rows are, for people."""

    @property
    def stage(self) -> Stage:
        """Return when it has its turn."""

    def left(self, subject: Any) -> int:
        """Return how many rows are to be erased, changing nothing."""

    def erase(self, subject: Any, *, now: datetime) -> int:
        """Erase and commit them; returns how many there were."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows that one statement changes; `found` must leave out those that it has changed."""

    what: str
    found: Callable[[Any], QuerySet[Any]]
    change: Callable[[QuerySet[Any], datetime], object]
    stage: Stage = Stage.BLANK

    def left(self, subject: Any) -> int:
        """Return how many rows are to be changed."""
        return self.found(subject).count()

    def erase(self, subject: Any, *, now: datetime) -> int:
        """Change them."""
        with transaction.atomic(durable=True):
            rows = self.found(subject)
            number = rows.count()
            self.change(rows, now)
        return number


def blank(
    what: str,
    rows: Callable[[Any], QuerySet[Any]],
    *,
    stage: Stage = Stage.BLANK,
    **values: Any,
) -> Rows:
    """Return the part that gives columns these values in all rows that have others."""
    return Rows(
        what=what,
        found=lambda subject: rows(subject).exclude(**values),
        change=lambda found, _: found.update(**values),
        stage=stage,
    )


def remove(what: str, rows: Callable[[Any], QuerySet[Any]]) -> Rows:
    """Return the part that deletes rows."""
    return Rows(what=what, found=rows, change=lambda found, _: found.delete())


def revoke(what: str, keys: Callable[[Any], QuerySet[Any]]) -> Rows:
    """Return the part that blanks the names of API keys and revokes those that are not."""
    return Rows(
        what=what,
        found=lambda subject: keys(subject).filter(~Q(name="") | Q(revoked_at=None)),
        change=lambda found, now: found.update(
            name="", revoked_at=Coalesce("revoked_at", Value(now))
        ),
    )


def names(subject: Subject) -> list[str]:
    """Return what names the subject in free text; nothing once it is erased."""
    found = {subject.name, subject.slug}
    if isinstance(subject, User):
        found.add(subject.email)
    return sorted(name for name in found if name and str(subject.uuid) not in name)


def mentions(subject: Subject, *fields: str) -> Q:
    """Return the condition that a text field names the subject, as words of their own."""
    found = Q(pk__in=[])
    for name in names(subject):
        pattern = rf"(?<![[:alnum:]]){re.escape(name)}(?![[:alnum:]])"
        for field in fields:
            found |= Q(**{f"{field}__iregex": pattern})
    return found


_parts: dict[type[Subject], list[Part]] = {Organization: [], User: []}
_checks: dict[type[Subject], list[Callable[[Any], None]]] = {Organization: [], User: []}


def register(kind: type[Subject], *parts: Part) -> None:
    """Take parts that erase organizations, or users."""
    _parts[kind] += [part for part in parts if part not in _parts[kind]]


def register_check(kind: type[Subject], check: Callable[[Any], None]) -> None:
    """Take a check that raises RefusedError where one must not be erased yet."""
    if check not in _checks[kind]:
        _checks[kind].append(check)


def check(subject: Subject) -> None:
    """Raise RefusedError where something has to be done first."""
    for one in _checks[type(subject)]:
        one(subject)


def preview(subject: Subject) -> Iterator[tuple[str, int]]:
    """Yield what would be erased and how many rows of it, changing nothing."""
    for part in _ordered(subject):
        yield part.what, part.left(subject)


def erase(subject: Subject, *, now: datetime) -> Iterator[tuple[str, int]]:
    """Erase and yield what was erased and how many rows of it, each once committed.

    May be stopped and repeated. Raises RefusedError before anything is changed.
    """
    check(subject)
    for part in _ordered(subject):
        yield part.what, part.erase(subject, now=now)


def _ordered(subject: Subject) -> Iterable[Part]:
    return sorted(_parts[type(subject)], key=lambda part: part.stage)


def find(identifier: str) -> list[Subject]:
    """Return every organization and user, also a deleted or erased one, that a text may mean.

    That is a UUID, a slug, or a user's e-mail address. Deleted organizations share slugs.
    """
    return [
        *Organization.objects.filter(_is(identifier)).order_by("pk"),
        *User.objects.filter(_is(identifier) | Q(email=identifier.lower())).order_by("pk"),
    ]


def _is(identifier: str) -> Q:
    uuid = slugs.uuid_of(identifier)
    return Q(uuid=uuid) if uuid else Q(slug=identifier)


def _check_not_needed(user: User) -> None:
    """Refuse where others would be left without a leader."""
    for membership in Membership.objects.filter(
        user=user, role=Role.LEADER, organization__deleted_at=None
    ).select_related("organization"):
        others = Membership.objects.filter(organization=membership.organization).exclude(user=user)
        leads = others.filter(role=Role.LEADER, user__is_active=True)
        if others.exists() and not leads.exists():
            raise RefusedError(
                f"{user.email} is the only leader of {membership.organization.slug}, which has"
                " other people. Make one of them a leader first, or delete the organization."
            )


class _Deletion:
    """The organization is deleted, and its projects with it."""

    what = "organizations to delete with their projects"
    stage = Stage.END

    def left(self, organization: Organization) -> int:
        """Return 1 while it is not deleted."""
        return int(Organization.objects.filter(pk=organization.pk, deleted_at=None).exists())

    def erase(self, organization: Organization, *, now: datetime) -> int:
        """Delete it softly."""
        number = self.left(organization)
        if number:
            try:
                deletion.complete(organization, now=now, by=None)
            except deletion.StillInUseError as error:
                raise RefusedError(str(error)) from error
        return number


class _Sessions:
    """Where a user is signed in, or about to be.

    Sessions hide whose they are, so all living ones are looked at.
    """

    what = "sessions"
    stage = Stage.BLANK

    def left(self, user: User) -> int:
        """Return how many there are."""
        return len(self._keys(user))

    def erase(self, user: User, *, now: datetime) -> int:
        """Sign the user out everywhere."""
        keys = self._keys(user)
        Session.objects.filter(pk__in=keys).delete()
        return len(keys)

    def _keys(self, user: User) -> list[str]:
        return [
            session.pk
            for session in Session.objects.iterator()
            if _is_of(session.get_decoded(), user)
        ]


def _is_of(session: dict[str, Any], user: User) -> bool:
    # Between password and second factor, django-allauth keeps who it is in a way of its own.
    entering = (session.get("account_login") or {}).get("user_pk")
    return session.get("_auth_user_id") == str(user.pk) or entering == user_pk_to_url_str(user)


def _logged(subject: Subject) -> QuerySet[LogEntry]:
    itself = Q(
        content_type=ContentType.objects.get_for_model(type(subject)), object_id=str(subject.pk)
    )
    return LogEntry.objects.filter(itself | mentions(subject, "object_repr", "change_message"))


def _memberships_beside_others(user: User) -> QuerySet[Membership]:
    # Where nobody else is left it stays: an organization of nobody takes reports from anybody.
    others = Membership.objects.exclude(user=user).values("organization")
    return Membership.objects.filter(user=user, organization__in=others)


_LOG = blank("admin log entries", _logged, object_repr="", change_message="")


def _audited(subject: Subject) -> QuerySet[Change]:
    itself = Q(relation=subject._meta.db_table, row=str(subject.pk)) | Q(
        # What staff did to it.
        relation=LogEntry._meta.db_table,
        after__object_id=str(subject.pk),
        after__content_type_id=ContentType.objects.get_for_model(type(subject)).pk,
    )
    if isinstance(subject, Organization):
        itself |= Q(organization=subject.pk)
    return Change.objects.filter(itself | mentions(subject, "why"))


_WHY = blank("reasons in the audit", _audited, why="")

register(
    Organization,
    _Deletion(),
    remove("memberships", lambda of: Membership.objects.filter(organization=of)),
    remove("invitations", lambda of: Invitation.objects.filter(organization=of)),
    _LOG,
    _WHY,
    blank(
        "organizations",
        lambda of: Organization.objects.filter(pk=of.pk),
        stage=Stage.ITSELF,
        name=UUID_AS_TEXT,
        slug=UUID_AS_TEXT,
    ),
)
register_check(User, _check_not_needed)
register(
    User,
    _Sessions(),
    remove("e-mail addresses", lambda of: EmailAddress.objects.filter(user=of)),
    remove("second factors", lambda of: Authenticator.objects.filter(user=of)),
    revoke("user keys", lambda of: UserKey.objects.filter(user=of)),
    remove("memberships", _memberships_beside_others),
    remove(
        "invitations",
        lambda of: Invitation.objects.filter(Q(email=of.email) | Q(accepted_by=of)),
    ),
    remove("groups of staff", lambda of: User.groups.through.objects.filter(user=of)),
    remove(
        "permissions of staff", lambda of: User.user_permissions.through.objects.filter(user=of)
    ),
    _LOG,
    _WHY,
    blank(
        "users",
        lambda of: User.objects.filter(pk=of.pk),
        stage=Stage.ITSELF,
        name=UUID_AS_TEXT,
        slug=UUID_AS_TEXT,
        email=Concat(UUID_AS_TEXT, Value("@erased.invalid")),
        password=UNUSABLE_PASSWORD_PREFIX,
        is_active=False,
        is_staff=False,
        is_superuser=False,
    ),
)
