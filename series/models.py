"""Projects, the three dimensions of a series, the ledger of when it was last seen, the fence."""

from uuid import uuid4

from django.conf import settings
from django.db import models

from bencher.tenancy.models import ApiKey, Organization


class Visibility(models.TextChoices):
    """Who sees a project, and whether its series are billed: private ones are."""

    PUBLIC = "public"
    PRIVATE = "private"


class Project(models.Model):
    """What an organization benchmarks. It never moves to another organization."""

    uuid = models.UUIDField(default=uuid4, unique=True, editable=False)
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="projects", db_index=False
    )
    name = models.CharField(max_length=64)
    slug = models.SlugField(max_length=64, db_index=False)
    visibility = models.CharField(max_length=7, choices=Visibility)
    url = models.URLField(max_length=1024, blank=True)
    created_at = models.DateTimeField()
    modified_at = models.DateTimeField()
    deleted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            # A deleted project keeps its name and slug, and neither stands in the way.
            models.UniqueConstraint(
                fields=["organization", "name"],
                condition=models.Q(deleted_at=None),
                name="name_of_living_project_is_unique",
            ),
            models.UniqueConstraint(
                fields=["slug"],
                condition=models.Q(deleted_at=None),
                name="slug_of_living_project_is_unique",
            ),
            models.CheckConstraint(
                condition=models.Q(visibility__in=Visibility.values),
                name="project_visibility_is_known",
            ),
        ]
        indexes = [
            # For searches of staff by its beginning; the unique one has no order for that.
            models.Index(
                fields=["slug"], opclasses=["varchar_pattern_ops"], name="projects_by_slug"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ProjectChange(models.Model):
    """A flip of visibility, a deletion or a restore: it moves the bill, so it is kept for good.

    Triggers refuse every change.
    """

    class Kind(models.TextChoices):
        """What happened to the project."""

        CREATED = "created"
        MADE_PUBLIC = "made_public"
        MADE_PRIVATE = "made_private"
        DELETED = "deleted"
        RESTORED = "restored"

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="changes")
    kind = models.CharField(max_length=12, choices=Kind)
    at = models.DateTimeField()
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(
                    kind__in=["created", "made_public", "made_private", "deleted", "restored"]
                ),
                name="project_change_kind_is_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.project}: {self.get_kind_display().lower()}"


class ProjectRole(models.TextChoices):
    """What a user may do in one project: read, report and edit, or everything."""

    VIEWER = "viewer"
    DEVELOPER = "developer"
    MAINTAINER = "maintainer"


class ProjectMembership(models.Model):
    """A user's role in a project, beside their role in its organization."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="project_memberships"
    )
    project = models.ForeignKey(
        Project, on_delete=models.CASCADE, related_name="memberships", db_index=False
    )
    role = models.CharField(max_length=10, choices=ProjectRole)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project", "user"], name="one_role_per_project_and_user"
            ),
            models.CheckConstraint(
                condition=models.Q(role__in=ProjectRole.values),
                name="project_membership_role_is_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} ({self.role})"


class ProjectKey(ApiKey):
    """A key that may report to one project and read it, and nothing else."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="keys")
    creator = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="Empty where a command made it.",
    )


class Dimension(models.Model):
    """What testbeds, benchmarks and measures share: a name and a slug within a project."""

    uuid = models.UUIDField(default=uuid4, unique=True, editable=False)
    project = models.ForeignKey(
        Project, on_delete=models.PROTECT, related_name="%(class)ss", db_index=False
    )
    name = models.CharField(max_length=64)
    slug = models.SlugField(max_length=64, db_index=False)
    created_at = models.DateTimeField()
    modified_at = models.DateTimeField()
    archived_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True
        constraints = [
            models.UniqueConstraint(fields=["project", "name"], name="%(class)s_name_is_unique"),
            models.UniqueConstraint(fields=["project", "slug"], name="%(class)s_slug_is_unique"),
        ]

    def __str__(self) -> str:
        return self.name


class Testbed(Dimension):
    """Where a benchmark ran."""


class Benchmark(Dimension):
    """What ran."""

    name = models.CharField(max_length=1024)


class Measure(Dimension):
    """What was measured of it, in which units."""

    units = models.CharField(max_length=64)


class SeriesLastSeen(models.Model):
    """When each series was last seen: the ledger that open periods are counted from.

    Written in the same transaction as the report, so it cannot drift. The organization leads the
    key so that the table can be sharded by it. No index but the key and the one the count reads:
    each further one doubles the cost of a report.
    """

    pk = models.CompositePrimaryKey("organization_id", "testbed_id", "benchmark_id", "measure_id")
    organization = models.ForeignKey(
        Organization, on_delete=models.RESTRICT, db_index=False, related_name="+"
    )
    project = models.ForeignKey(
        Project, on_delete=models.RESTRICT, db_index=False, related_name="+"
    )
    testbed = models.ForeignKey(
        Testbed, on_delete=models.RESTRICT, db_index=False, related_name="+"
    )
    benchmark = models.ForeignKey(
        Benchmark, on_delete=models.RESTRICT, db_index=False, related_name="+"
    )
    measure = models.ForeignKey(
        Measure, on_delete=models.RESTRICT, db_index=False, related_name="+"
    )
    last_seen = models.DateTimeField()

    class Meta:
        db_table = "series_last_seen"
        verbose_name_plural = "series last seen"
        indexes = [
            models.Index(
                fields=["organization", "last_seen"],
                include=["project"],
                name="series_last_seen_by_time",
            ),
        ]

    def __str__(self) -> str:
        return f"series of project {self.project_id}, last seen {self.last_seen}"


class Fence(models.Model):
    """Before this instant nothing can be reported any more: those periods are closed."""

    organization = models.OneToOneField(Organization, on_delete=models.PROTECT, primary_key=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.organization_id} from {self.at}"


class ExpiredEvidence(models.Model):
    """Reports from before this instant may be gone: no period that starts before is recounted."""

    organization = models.OneToOneField(Organization, on_delete=models.PROTECT, primary_key=True)
    before = models.DateTimeField()
    purged_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "expired evidence"

    def __str__(self) -> str:
        return f"{self.organization_id} before {self.before}"
