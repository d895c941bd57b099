"""Reports, and the branches and versions they belong to."""

from uuid import uuid4

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models

from bencher.tenancy.models import Organization
from ingest.adapters.registry import Adapter
from series.models import Measure, Project, Testbed


class Branch(models.Model):
    """A line of versions; its current head is where new reports go."""

    uuid = models.UUIDField(default=uuid4, unique=True, editable=False)
    project = models.ForeignKey(
        Project, on_delete=models.PROTECT, related_name="branches", db_index=False
    )
    name = models.CharField(max_length=256)
    slug = models.SlugField(max_length=64, db_index=False)
    created_at = models.DateTimeField()
    modified_at = models.DateTimeField()
    archived_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "branches"
        constraints = [
            models.UniqueConstraint(fields=["project", "name"], name="branch_name_is_unique"),
            models.UniqueConstraint(fields=["project", "slug"], name="branch_slug_is_unique"),
        ]

    def __str__(self) -> str:
        return self.name


class Version(models.Model):
    """A commit, or the next number where the report names none."""

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="+", db_index=False)
    number = models.PositiveIntegerField()
    hash = models.CharField(max_length=64, blank=True)

    class Meta:
        indexes = [models.Index(fields=["project", "hash"], name="versions_by_hash")]

    def __str__(self) -> str:
        return self.hash or str(self.number)


class Head(models.Model):
    """One incarnation of a branch; a new start point replaces it by another."""

    uuid = models.UUIDField(default=uuid4, unique=True, editable=False)
    branch = models.ForeignKey(
        Branch, on_delete=models.PROTECT, related_name="heads", db_index=False
    )
    start_head = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    start_version = models.ForeignKey(
        Version, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField()
    replaced_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["branch"],
                condition=models.Q(replaced_at=None),
                name="one_current_head_per_branch",
            ),
        ]
        indexes = [models.Index(fields=["branch", "created_at"], name="heads_of_a_branch")]

    def __str__(self) -> str:
        return str(self.uuid)


class HeadVersion(models.Model):
    """That a version is part of a head; a head that starts from another shares its versions."""

    head = models.ForeignKey(
        Head, on_delete=models.CASCADE, related_name="versions", db_index=False
    )
    version = models.ForeignKey(Version, on_delete=models.CASCADE, related_name="heads")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["head", "version"], name="head_has_a_version_once"),
        ]

    def __str__(self) -> str:
        return f"{self.version_id} of {self.head_id}"


class Report(models.Model):
    """One run of a benchmark suite. Deleting hides it; what proves activity is kept."""

    uuid = models.UUIDField(default=uuid4, unique=True, editable=False)
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    project = models.ForeignKey(
        Project, on_delete=models.PROTECT, related_name="reports", db_index=False
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="Empty where a project key reported.",
    )
    head = models.ForeignKey(Head, on_delete=models.PROTECT, related_name="+")
    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="+")
    testbed = models.ForeignKey(Testbed, on_delete=models.PROTECT, related_name="+")
    adapter = models.PositiveSmallIntegerField(choices=[(a.code, a.value) for a in Adapter])
    start_time = models.DateTimeField(help_text="As sent.")
    end_time = models.DateTimeField(help_text="As sent.")
    received_at = models.DateTimeField()
    seen_at = models.DateTimeField(help_text="The instant at which its series count as seen.")
    idempotency_key = models.CharField(max_length=255, blank=True)
    body_hash = models.BinaryField(max_length=32, editable=False)
    benchmark_counts = ArrayField(
        models.PositiveIntegerField(),
        db_default=[],
        help_text="Of each iteration that measured anything, so that lists need no metrics.",
    )
    measure_counts = ArrayField(models.PositiveIntegerField(), db_default=[])
    deleted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project", "idempotency_key"],
                condition=~models.Q(idempotency_key=""),
                name="one_report_per_idempotency_key",
            ),
            models.CheckConstraint(
                condition=models.Q(end_time__gte=models.F("start_time")),
                name="report_ends_after_it_starts",
            ),
            # What the metric columns refer to, so that removing a report is cheap.
            models.UniqueConstraint(
                fields=["organization", "id"], name="report_of_an_organization"
            ),
        ]
        indexes = [
            # The recount's range scan.
            models.Index(fields=["organization", "seen_at"], name="reports_by_seen_at"),
            # The project's list of reports, newest first.
            models.Index(fields=["project", "start_time"], name="reports_by_start_time"),
            # What older plans are billed by.
            models.Index(fields=["organization", "received_at"], name="reports_by_received_at"),
            # What goes when its evidence expires.
            models.Index(
                fields=["organization", "seen_at"],
                condition=~models.Q(deleted_at=None),
                name="hidden_reports_by_seen_at",
            ),
        ]

    def __str__(self) -> str:
        return str(self.uuid)


class MetricColumn(models.Model):
    """One measure of one iteration of a report, by column: parallel arrays sorted by benchmark.

    A report is a table, benchmarks down and measures across; storing it so takes a quarter of the
    disk and of the time that a row per metric takes.
    """

    pk = models.CompositePrimaryKey(
        "organization_id", "report_id", "iteration", "measure_id", "part"
    )
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    # The database's own foreign key is (organization, report), which the primary key has an index
    # for. One of the report alone would read the whole table for each report that is removed.
    report = models.ForeignKey(
        Report,
        on_delete=models.PROTECT,
        related_name="columns",
        db_index=False,
        db_constraint=False,
    )
    iteration = models.PositiveSmallIntegerField()
    measure = models.ForeignKey(Measure, on_delete=models.PROTECT, related_name="+", db_index=False)
    part = models.PositiveSmallIntegerField(help_text="Wide reports take several rows.")
    benchmark_ids = ArrayField(models.BigIntegerField())
    values = ArrayField(models.FloatField(null=True))
    lower_values = ArrayField(models.FloatField(null=True))
    upper_values = ArrayField(models.FloatField(null=True))

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(values__len=models.F("benchmark_ids__len"))
                & models.Q(lower_values__len=models.F("benchmark_ids__len"))
                & models.Q(upper_values__len=models.F("benchmark_ids__len")),
                name="metric_column_arrays_are_parallel",
            ),
        ]

    def __str__(self) -> str:
        return f"measure {self.measure_id} of report {self.report_id}, iteration {self.iteration}"
