"""Projects, their keys and their dimensions as Bencher's clients send and read them."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import msgspec
from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from msgspec import UNSET, Meta, UnsetType

from bencher.rest.searching import NamedPage
from bencher.tenancy.naming import Name, Slug, check_name, check_slug
from bencher.tenancy.wire import NewKey, UpdateKey, expiration
from series import models
from series.models import Benchmark, Measure, Project, ProjectKey, Testbed

BENCHMARK_NAME_MAX_BYTES = 1024
_URL_MAX_LENGTH = 1024
# Pages show it as a link: other schemes would run in the reader's browser.
_check_web_address = URLValidator(schemes=["http", "https"])

BenchmarkName = Annotated[
    str,
    Meta(
        description="At most 1024 bytes, without white space around it.",
        extra_json_schema={"minLength": 1, "maxLength": BENCHMARK_NAME_MAX_BYTES},
    ),
]
Url = Annotated[str, Meta(extra_json_schema={"format": "uri", "maxLength": _URL_MAX_LENGTH})]


class Visibility(StrEnum):
    """Who sees a project, and whether its series are billed."""

    PUBLIC = models.Visibility.PUBLIC.value
    PRIVATE = models.Visibility.PRIVATE.value


class DimensionsPage(NamedPage, frozen=True, kw_only=True):
    """Which page is wanted of what is in use, or of what is archived."""

    archived: bool = False


class JsonProject(msgspec.Struct, kw_only=True):
    """A project."""

    uuid: UUID
    organization: UUID
    name: str
    slug: str
    url: str | None
    visibility: Visibility
    created: datetime
    modified: datetime
    claimed: datetime | None

    @classmethod
    def of(cls, project: Project, *, claimed: datetime | None) -> "JsonProject":
        """Write a project in whose organization somebody has had a role since `claimed`."""
        return cls(
            uuid=project.uuid,
            organization=project.organization.uuid,
            name=project.name,
            slug=project.slug,
            url=project.url or None,
            visibility=Visibility(project.visibility),
            created=project.created_at,
            modified=project.modified_at,
            claimed=claimed,
        )


class JsonNewProject(msgspec.Struct, kw_only=True):
    """A project to be made, public unless it says otherwise."""

    name: Name
    slug: Slug | None = None
    url: Url | None = None
    visibility: Visibility | None = None

    def __post_init__(self) -> None:
        check_name("name", self.name)
        check_slug("slug", self.slug)
        _check_url(self.url)


class JsonUpdateProject(msgspec.Struct, kw_only=True):
    """What of a project is to change. `url` null removes it; other nulls change nothing."""

    name: Name | None = None
    slug: Slug | None = None
    url: Url | UnsetType | None = UNSET
    visibility: Visibility | None = None

    def __post_init__(self) -> None:
        check_name("name", self.name)
        check_slug("slug", self.slug)
        if self.url is not UNSET:
            _check_url(self.url)


class JsonNewProjectKey(NewKey, kw_only=True):
    """A project key to be made."""


class JsonUpdateProjectKey(UpdateKey, kw_only=True):
    """The name that a project key is to have."""


class JsonProjectKey(msgspec.Struct, kw_only=True):
    """A key of a project, without the key itself."""

    uuid: UUID
    project: UUID
    creator: UUID | None
    name: str
    creation: datetime
    expiration: datetime
    revoked: datetime | None

    @classmethod
    def of(cls, key: ProjectKey) -> "JsonProjectKey":
        """Write a key."""
        return cls(
            uuid=key.uuid,
            project=key.project.uuid,
            creator=key.creator.uuid if key.creator else None,
            name=key.name,
            creation=key.created_at,
            expiration=expiration(key),
            revoked=key.revoked_at,
        )


class JsonProjectKeyCreated(msgspec.Struct, kw_only=True):
    """A new key of a project. The key itself is shown this once."""

    uuid: UUID
    project: UUID
    name: str
    key: str
    creation: datetime
    expiration: datetime

    @classmethod
    def of(cls, key: ProjectKey, *, text: str) -> "JsonProjectKeyCreated":
        """Write a key with its text."""
        return cls(
            uuid=key.uuid,
            project=key.project.uuid,
            name=key.name,
            key=text,
            creation=key.created_at,
            expiration=expiration(key),
        )


class _Dimension(msgspec.Struct, kw_only=True):
    uuid: UUID
    project: UUID
    name: str
    slug: str
    created: datetime
    modified: datetime
    archived: datetime | None


class JsonTestbed(_Dimension, kw_only=True):
    """A testbed. There are no hardware specs here."""

    spec: None = None

    @classmethod
    def of(cls, testbed: Testbed) -> "JsonTestbed":
        """Write a testbed."""
        return cls(
            uuid=testbed.uuid,
            project=testbed.project.uuid,
            name=testbed.name,
            slug=testbed.slug,
            created=testbed.created_at,
            modified=testbed.modified_at,
            archived=testbed.archived_at,
        )


class JsonBenchmark(_Dimension, kw_only=True):
    """A benchmark."""

    @classmethod
    def of(cls, benchmark: Benchmark) -> "JsonBenchmark":
        """Write a benchmark."""
        return cls(
            uuid=benchmark.uuid,
            project=benchmark.project.uuid,
            name=benchmark.name,
            slug=benchmark.slug,
            created=benchmark.created_at,
            modified=benchmark.modified_at,
            archived=benchmark.archived_at,
        )


class JsonMeasure(_Dimension, kw_only=True):
    """A measure with its units."""

    units: str

    @classmethod
    def of(cls, measure: Measure) -> "JsonMeasure":
        """Write a measure."""
        return cls(
            uuid=measure.uuid,
            project=measure.project.uuid,
            name=measure.name,
            slug=measure.slug,
            units=measure.units,
            created=measure.created_at,
            modified=measure.modified_at,
            archived=measure.archived_at,
        )


class JsonNewTestbed(msgspec.Struct, kw_only=True):
    """A testbed to be made."""

    name: Name
    slug: Slug | None = None
    spec: None = None

    def __post_init__(self) -> None:
        check_name("name", self.name)
        check_slug("slug", self.slug)


class JsonUpdateTestbed(msgspec.Struct, kw_only=True):
    """What of a testbed is to change; null changes nothing."""

    name: Name | None = None
    slug: Slug | None = None
    spec: None = None
    archived: bool | None = None

    def __post_init__(self) -> None:
        check_name("name", self.name)
        check_slug("slug", self.slug)


class JsonNewBenchmark(msgspec.Struct, kw_only=True):
    """A benchmark to be made."""

    name: BenchmarkName
    slug: Slug | None = None

    def __post_init__(self) -> None:
        check_name("name", self.name, max_bytes=BENCHMARK_NAME_MAX_BYTES)
        check_slug("slug", self.slug)


class JsonUpdateBenchmark(msgspec.Struct, kw_only=True):
    """What of a benchmark is to change; null changes nothing."""

    name: BenchmarkName | None = None
    slug: Slug | None = None
    archived: bool | None = None

    def __post_init__(self) -> None:
        check_name("name", self.name, max_bytes=BENCHMARK_NAME_MAX_BYTES)
        check_slug("slug", self.slug)


class JsonNewMeasure(msgspec.Struct, kw_only=True):
    """A measure to be made."""

    name: Name
    units: Name
    slug: Slug | None = None

    def __post_init__(self) -> None:
        check_name("name", self.name)
        check_name("units", self.units)
        check_slug("slug", self.slug)


class JsonUpdateMeasure(msgspec.Struct, kw_only=True):
    """What of a measure is to change; null changes nothing."""

    name: Name | None = None
    units: Name | None = None
    slug: Slug | None = None
    archived: bool | None = None

    def __post_init__(self) -> None:
        check_name("name", self.name)
        check_name("units", self.units)
        check_slug("slug", self.slug)


def _check_url(url: str | None) -> None:
    if url is None:
        return
    if len(url) > _URL_MAX_LENGTH:
        raise ValueError(f"`url` is longer than {_URL_MAX_LENGTH} characters")
    try:
        _check_web_address(url.replace("\0", " "))
    except ValidationError as error:
        raise ValueError("`url` is not an address that begins with http:// or https://") from error
