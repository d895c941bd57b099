"""Users, organizations, members and user keys as Bencher's clients send and read them."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import msgspec
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from msgspec import Meta

from bencher.rest.searching import NamedPage
from bencher.tenancy.models import ApiKey, Membership, Organization, Role, User, UserKey
from bencher.tenancy.naming import Name, Slug, check_name, check_slug

_EMAIL_MAX_LENGTH = 254
# Bencher's clients demand an expiration; this is how its server says "never".
_NEVER = timedelta(seconds=2**32 - 1)

Seconds = Annotated[int, Meta(ge=0, le=2**32 - 1, description="How long it lives, in seconds.")]
Email = Annotated[str, Meta(extra_json_schema={"format": "email", "maxLength": _EMAIL_MAX_LENGTH})]


class OrganizationRole(StrEnum):
    """A role in an organization; Bencher's document lists only the leader's."""

    LEADER = Role.LEADER.value
    MEMBER = Role.MEMBER.value


class KeysPage(NamedPage, frozen=True, kw_only=True):
    """Which page of the living keys is wanted, or of the revoked ones."""

    revoked: bool = False


class Deletion(msgspec.Struct, frozen=True):
    """How something is to be deleted."""

    hard: bool = False


class JsonAllowed(msgspec.Struct):
    """Whether the caller may do that."""

    allowed: bool


class JsonOrganization(msgspec.Struct, kw_only=True):
    """An organization."""

    uuid: UUID
    name: str
    slug: str
    license: None = None
    created: datetime
    modified: datetime
    claimed: datetime | None

    @classmethod
    def of(cls, organization: Organization, *, claimed: datetime | None) -> "JsonOrganization":
        """Write an organization that somebody has had a role in since `claimed`."""
        return cls(
            uuid=organization.uuid,
            name=organization.name,
            slug=organization.slug,
            created=organization.created_at,
            modified=organization.modified_at,
            claimed=claimed,
        )


class JsonEnding(msgspec.Struct, kw_only=True):
    """That something is under way which ends by itself, and what."""

    message: str


class JsonNewOrganization(msgspec.Struct, kw_only=True):
    """An organization to be founded."""

    name: Name
    slug: Slug | None = None

    def __post_init__(self) -> None:
        check_name("name", self.name)
        check_slug("slug", self.slug)


class JsonUpdateOrganization(msgspec.Struct, kw_only=True):
    """What of an organization is to change. There are no licenses here."""

    name: Name | None = None
    slug: Slug | None = None
    license: None = None

    def __post_init__(self) -> None:
        check_name("name", self.name)
        check_slug("slug", self.slug)


class JsonUser(msgspec.Struct, kw_only=True):
    """A user, for themselves and for staff."""

    uuid: UUID
    name: str
    slug: str
    email: str
    admin: bool
    locked: bool
    created: datetime

    @classmethod
    def of(cls, user: User) -> "JsonUser":
        """Write a user."""
        return cls(
            uuid=user.uuid,
            name=user.name,
            slug=user.slug,
            email=user.email,
            admin=user.is_superuser,
            locked=not user.is_active,
            created=user.created_at,
        )


class JsonMember(msgspec.Struct, kw_only=True):
    """A member of an organization."""

    uuid: UUID
    name: str
    slug: str
    email: str
    role: OrganizationRole
    created: datetime
    modified: datetime

    @classmethod
    def of(cls, membership: Membership) -> "JsonMember":
        """Write a member."""
        user = membership.user
        return cls(
            uuid=user.uuid,
            name=user.name,
            slug=user.slug,
            email=user.email,
            role=OrganizationRole(membership.role),
            created=membership.created_at,
            modified=membership.modified_at or membership.created_at,
        )


class JsonNewMember(msgspec.Struct, kw_only=True):
    """Somebody who is to become a member."""

    email: Email
    role: OrganizationRole
    name: Name | None = None

    def __post_init__(self) -> None:
        check_name("name", self.name)
        try:
            validate_email(self.email)
        except ValidationError as error:
            raise ValueError("`email` is not an e-mail address") from error
        if len(self.email) > _EMAIL_MAX_LENGTH:
            raise ValueError(f"`email` is longer than {_EMAIL_MAX_LENGTH} characters")


class JsonUpdateMember(msgspec.Struct, kw_only=True):
    """The role that a member is to have."""

    role: OrganizationRole | None = None


class JsonAuthAck(msgspec.Struct):
    """Whose invitation was accepted for delivery."""

    email: str


class NewKey(msgspec.Struct, kw_only=True):
    """A key to be made. Without a `ttl` it does not expire."""

    name: Name
    ttl: Seconds | None = None

    def __post_init__(self) -> None:
        check_name("name", self.name)


class JsonNewUserKey(NewKey, kw_only=True):
    """A user key to be made."""


class UpdateKey(msgspec.Struct, kw_only=True):
    """The name that a key is to have."""

    name: Name | None = None

    def __post_init__(self) -> None:
        check_name("name", self.name)


class JsonUpdateUserKey(UpdateKey, kw_only=True):
    """The name that a user key is to have."""


class JsonUserKey(msgspec.Struct, kw_only=True):
    """A key of a user, without the key itself."""

    uuid: UUID
    user: UUID
    name: str
    creation: datetime
    expiration: datetime
    revoked: datetime | None

    @classmethod
    def of(cls, key: UserKey) -> "JsonUserKey":
        """Write a key."""
        return cls(
            uuid=key.uuid,
            user=key.user.uuid,
            name=key.name,
            creation=key.created_at,
            expiration=expiration(key),
            revoked=key.revoked_at,
        )


class JsonUserKeyCreated(msgspec.Struct, kw_only=True):
    """A new key of a user. The key itself is shown this once."""

    uuid: UUID
    user: UUID
    name: str
    key: str
    creation: datetime
    expiration: datetime

    @classmethod
    def of(cls, key: UserKey, *, text: str) -> "JsonUserKeyCreated":
        """Write a key with its text."""
        return cls(
            uuid=key.uuid,
            user=key.user.uuid,
            name=key.name,
            key=text,
            creation=key.created_at,
            expiration=expiration(key),
        )


def expiration(key: ApiKey) -> datetime:
    """Return when a key expires; more than a century after it was made where it never does."""
    return key.expires_at or key.created_at + _NEVER
